"""A stack of docker-compose.yml, used with the commands of docs/tour.md and docs/compose.md."""

from __future__ import annotations

import secrets
from pathlib import Path

import httpx

from tests.deploy import hearing
from tests.deploy.composing import ROOT, Project, docker
from tests.deploy.load import Load
from tests.servers.code_blocks import blocks
from tests.servers.ports import free_port
from tests.servers.wharf.raw_http import until

READY_SECONDS = 240
# The pause between two requests to the engine, each of which takes 0.1 s of CPU time.
PAUSE_SECONDS = 0.3
TOUR = "docs/tour.md"
DEFAULT = "127.0.0.1:8080"
_SYS_PTRACE = 1 << 19
START, CREDENTIALS, SCALE = blocks(TOUR, "With docker compose")
TAKE_DOWN = blocks("docs/compose.md", "Take down")[1]
TOKEN = next(block for block in blocks(TOUR, "Use") if block.startswith("token()"))
UPLOAD, METADATA, DOWNLOAD = next(
    b for b in blocks(TOUR, "Use") if b.startswith("curl")
).splitlines()[:3]


class Stack(Project):
    """A stack that is published on a separate port."""

    #: Files that were written before the stack had two replicas.
    moved: Load

    def __init__(self, settings: dict[str, str]) -> None:
        self.port = free_port()
        name = f"wharf-test-{secrets.token_hex(3)}"
        super().__init__(name, {**settings, "WHARF_PUBLISH": f"127.0.0.1:{self.port}"})

    def prints(self, *commands: str, **more: str) -> str:
        """Run commands with this stack's port in place of the default, and return their output."""
        return self.shell("\n".join(commands).replace(DEFAULT, f"127.0.0.1:{self.port}"), **more)

    def token(self) -> str:
        """Get a token of the tenant `demo` as docs/tour.md says, and return it."""
        return self.prints(CREDENTIALS, TOKEN, 'echo; echo "$TOKEN"').splitlines()[-1]

    def await_health(self, service: str) -> None:
        """Wait until the engine reports a service as healthy."""
        assert until(lambda: self.is_healthy(service), READY_SECONDS, PAUSE_SECONDS), self.logs()

    def hears_and_sees(self, key: str, listeners: int = 1) -> None:
        """Assert that each listener receives the event of a picture, and that the small picture is
        served.
        """
        url, fields = f"http://127.0.0.1:{self.port}", {"Authorization": f"Bearer {self.token()}"}
        with hearing.heard(url, fields, listeners) as heard:
            address = f"{url}/v1/files/default/{key}"
            sent = httpx.put(address, content=hearing.photograph(), headers=fields, timeout=60)
            assert sent.status_code == 201, sent.text
            assert heard(key), self.logs()
        for _ in range(listeners):
            hearing.small(url, fields, key)

    def fetches(self, folder: Path) -> bool:
        """Tell whether the tour's download has the bytes that the tour's upload sent."""
        self.prints(CREDENTIALS, TOKEN, DOWNLOAD.replace("/tmp/", f"{folder}/"))
        return (folder / "README.md").read_bytes() == (ROOT / "README.md").read_bytes()

    def check_contained(self, service: str) -> None:
        """Assert that the first process of a service is not root, has no capability and can get no
        new rights, and that no command in its container can write into the image.
        """
        name = self.container(service)
        status = docker("exec", name, "cat", "/proc/1/status")
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        # ADR 64: a gateway that clients reach directly has SYS_PTRACE in its bounding set, which
        # its user cannot use.
        bounds = _SYS_PTRACE if service in {"gateway", "gateway-s3"} else 0
        assert int(fields["CapBnd"], 16) == bounds
        assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0
        assert fields["NoNewPrivs"] == "1"
        assert set(fields["Uid"].split()) == {"10001"}
        script = "touch /x /etc/x 2>/dev/null && echo written; exit 0"
        assert docker("exec", name, "sh", "-c", script) == ""

    def write(self, prefix: str) -> Load:
        """Return a load of uploads, which runs during a `with` block."""
        return Load(self.port, self.token(), prefix)


def running(stack: Stack) -> set[str]:
    """Return the names of the running services."""
    return {name for name, one in stack.containers().items() if one["State"]["Running"]}


def published(stack: Stack) -> dict[str, set[tuple[str, str]]]:
    """Return the published addresses and ports of this machine, by service."""
    found = {}
    for name, one in stack.containers().items():
        bindings = [b for many in one["NetworkSettings"]["Ports"].values() for b in many or ()]
        if bindings:
            found[name] = {(binding["HostIp"], binding["HostPort"]) for binding in bindings}
    return found
