"""Wharf's images, and one container of each service in `SERVICES`, without compose."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.docker import Engine
from tests.servers.needs import lacking

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("auth", "console", "upload", "gateway")
IMAGES = (*SERVICES, "images")
# The options that docs/containers.md gives for every container.
CONTAINED = (
    *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    *("--tmpfs", "/tmp:size=64m,mode=1777"),
)
# A tag of this process, because several processes may share one engine.
TAG = f"test-{secrets.token_hex(4)}"
_READY_SECONDS = 120


@dataclass(frozen=True)
class Images:
    """The names of the images, and of their base images."""

    auth: str
    console: str
    upload: str
    gateway: str
    images: str
    python_base: str
    nginx_base: str


@contextmanager
def _alone() -> Iterator[None]:
    """Let one process build at a time, because each build writes its packages to build/wheels of
    the checkout.
    """
    folder = ROOT / "build"
    folder.mkdir(exist_ok=True)
    with (folder / "test-images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(engine: Engine) -> Images:
    """Build the images as `make images` does and return their names.

    If the user is root, the base images are built from Debian's packages.
    """
    settings = {"WHARF_VERSION": TAG, "PYTHON": sys.executable}
    if not os.geteuid():
        settings["BASES"] = "debian"
    with _alone():
        done = subprocess.run(
            ["sh", "deploy/images/build.sh"],
            cwd=ROOT,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode and "there is no image" in done.stderr:
        lacking(done.stderr.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    names = {name: f"wharf-{name}:{TAG}" for name in IMAGES}
    bases = {
        base: engine.inspect(names[name])["Config"]["Labels"]["org.opencontainers.image.base.name"]
        for base, name in (("python_base", "auth"), ("nginx_base", "gateway"))
    }
    return Images(**names, **bases)


class Quartet:
    """One container each of auth, console, upload and gateway on separate volumes,
    and no other container.

    Args:
        name: the prefix of all names.
    """

    def __init__(self, engine: Engine, images: Images, name: str) -> None:
        self.engine, self.images, self.name = engine, images, name
        self.containers = [f"{name}-{service}" for service in SERVICES]
        self.volumes = [
            f"{name}-{volume}"
            for volume in (
                *("auth", "files", "records", "auth-socket", "upload-sockets"),
                *("console", "console-socket"),
            )
        ]
        self.engine("network", "create", name)

    def of(self, service: str) -> str:
        """Return the name of a service's container."""
        return f"{self.name}-{service}"

    def _run(self, service: str, *options: str) -> None:
        self.engine(
            *("run", "--detach", "--name", self.of(service)),
            *("--network", self.name, "--network-alias", service),
            *CONTAINED,
            *options,
            getattr(self.images, service),
        )

    def start(self) -> None:
        """Start all containers. `wait_healthy` waits until they serve."""
        auth, files, records, auth_socket, upload_sockets, console, console_socket = self.volumes
        instance = ("--env", "WHARF_INSTANCE=one")
        self._run("auth", "--volume", f"{auth}:/data", "--volume", f"{auth_socket}:/run/wharf/auth")
        self._run(
            "console",
            *("--volume", f"{console}:/data/console"),
            *("--volume", f"{console_socket}:/run/wharf/console"),
        )
        self._run(
            "upload",
            *instance,
            *("--env", "WHARF_JWKS_URL=http://gateway:8081/jwks"),
            *("--env", "WHARF_FEED_URL=http://gateway:8081/feed"),
            *("--volume", f"{files}:/data", "--volume", f"{records}:/data/upload"),
            *("--volume", f"{upload_sockets}:/run/wharf/upload"),
        )
        self._run(
            "gateway",
            *instance,
            *("--env", "WHARF_CONSOLE_SOCKET=/run/wharf/console/console.sock"),
            *("--env", "WHARF_CONSOLE_DOOR=/run/wharf/console/door.sock"),
            # Sockets without a listener: a gateway works without these services.
            *("--env", "WHARF_LIVE_SOCKET=/run/wharf/upload/live.sock"),
            *("--env", "WHARF_IMAGES_SOCKET=/run/wharf/upload/images.sock"),
            *("--publish", "127.0.0.1::8080"),
            *("--volume", f"{files}:/data", "--volume", f"{auth_socket}:/run/wharf/auth"),
            *("--volume", f"{console_socket}:/run/wharf/console"),
            *("--volume", f"{upload_sockets}:/run/wharf/upload"),
        )

    def health(self, service: str) -> str:
        """Return the result of the image's HEALTHCHECK, or `ended` if the container has ended."""
        state = self.engine.inspect(self.of(service))["State"]
        return str(state["Health"]["Status"]) if state["Running"] else "ended"

    def wait_healthy(self) -> None:
        """Wait until all containers are healthy."""
        deadline = time.monotonic() + _READY_SECONDS
        while (found := [self.health(one) for one in SERVICES]) != ["healthy"] * len(SERVICES):
            logs = "\n".join(self.engine.output(name)[-3000:] for name in self.containers)
            assert "ended" not in found, logs
            assert time.monotonic() < deadline, f"{found}\n{logs}"
            time.sleep(0.5)

    @property
    def url(self) -> str:
        """Return the URL of the gateway on this machine."""
        ports: dict[str, Any] = self.engine.inspect(self.of("gateway"))["NetworkSettings"]["Ports"]
        return f"http://127.0.0.1:{ports['8080/tcp'][0]['HostPort']}"

    def credentials(self) -> dict[str, dict[str, str]]:
        """Return the first credentials, as an operator reads them."""
        text = self.engine("exec", self.of("auth"), "cat", "/data/credentials.json")
        return dict(json.loads(text))

    def remove(self) -> None:
        """Remove everything that this object made."""
        self.engine.remove("container", self.containers)
        self.engine.remove("volume", self.volumes)
        self.engine.remove("network", [self.name])


@contextmanager
def quartet(engine: Engine, images: Images, name: str) -> Iterator[Quartet]:
    """Yield healthy containers, one of each service in `SERVICES`, and remove them at the end."""
    made = Quartet(engine, images, name)
    try:
        made.start()
        made.wait_healthy()
        yield made
    finally:
        made.remove()
