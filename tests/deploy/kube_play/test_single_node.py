"""The overlay single-node, run by a real engine: `podman kube play`.

tests/deploy/podman.py lists the features of manifests that podman lacks.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Iterator

import httpx
import pytest

from tests.deploy import hearing
from tests.deploy.cluster import cluster
from tests.deploy.played import (
    AUTH,
    CONSOLE,
    GATEWAY,
    IMAGES,
    LIVE,
    OVERLAY,
    UPLOAD,
    Played,
    until,
)
from tests.deploy.podman import Podman, pod_of

# nginx does not pass a body of this size on in memory.
# It spools the body, and upload links the file.
LARGE_BYTES = 5_000_000


@pytest.fixture(scope="module")
def played(podman: Podman) -> Iterator[Played]:
    podman.remove_all()
    made = Played(podman)
    made.start()
    yield made
    podman.remove_all()


@pytest.fixture(scope="module")
def client(played: Played) -> Iterator[httpx.Client]:
    """Yield a client of a tenant that the administrator has made."""
    admin = played.administrator()
    made = httpx.post(f"{played.url}/auth/v1/tenants", json={"tenant": "pods"}, headers=admin)
    assert made.status_code == 201, made.text
    made = httpx.post(
        f"{played.url}/auth/v1/tenants/pods/clients",
        json={"name": "tests", "scopes": ["files:read", "files:write", "files:delete"]},
        headers=admin,
    )
    assert made.status_code == 201, made.text
    fields = played.token(made.json()["client_id"], made.json()["client_secret"])
    with httpx.Client(headers=fields, timeout=60) as one:
        yield one


def digest(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


@pytest.mark.parametrize("size", [100, LARGE_BYTES])
def test_round_trip(played: Played, client: httpx.Client, size: int) -> None:
    """A file that is uploaded through nginx's memory or its spool can be downloaded unchanged."""
    body = os.urandom(size // 2) * 2
    address = f"{played.url}/v1/files/default/size-{size}.bin"
    fields = {"Content-Digest": digest(body)}
    assert client.put(address, content=body, headers=fields).status_code == 201
    back = client.get(address)
    assert (back.status_code, back.content) == (200, body)


def test_events_and_pictures(played: Played, client: httpx.Client) -> None:
    """A listener receives the event of a new picture, and can get the small picture."""
    fields = {"Authorization": client.headers["Authorization"]}
    with hearing.heard(played.url, fields) as heard:
        address = f"{played.url}/v1/files/default/seen.jpg"
        assert client.put(address, content=hearing.photograph()).status_code == 201
        assert heard("seen.jpg"), played.podman.all_logs()
    hearing.small(played.url, fields, "seen.jpg")


def test_without_a_token(played: Played) -> None:
    """A request without a token gets a 401."""
    assert httpx.get(f"{played.url}/v1/files/default/x").status_code == 401


@pytest.mark.parametrize("container", [AUTH, CONSOLE, UPLOAD, LIVE, IMAGES, GATEWAY])
def test_what_the_kernel_says(played: Played, container: str) -> None:
    """The first process is not root, has and can get no capability, and has a seccomp filter."""
    text = played.podman.execute(container, "cat", "/proc/1/status")
    status = dict(line.split(":", 1) for line in text.splitlines())
    assert status["Uid"].split() == ["10001"] * 4
    assert status["Gid"].split() == ["10001"] * 4
    for kind in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"


@pytest.mark.parametrize("container", [AUTH, CONSOLE, UPLOAD, LIVE, IMAGES, GATEWAY])
def test_the_root_is_read_only(played: Played, container: str) -> None:
    """The root is read-only: a write to /opt fails, and a write to the volume /tmp succeeds."""
    done = played.podman.call("exec", container, "touch", "/opt/x", check=False)
    assert done.returncode != 0
    assert "Read-only file system" in done.stderr
    played.podman.execute(container, "touch", "/tmp/x")


def test_link_crosses_no_mount(played: Played) -> None:
    """A hard link can lead from the spool to the tenants' folder, and not to another mount."""
    script = """
import errno, os
open("/data/spool/native/probe", "w").close()
os.link("/data/spool/native/probe", "/data/tenants/probe")
assert os.stat("/data/tenants/probe").st_nlink == 2
os.unlink("/data/tenants/probe")
try:
    os.link("/data/spool/native/probe", "/data/upload/probe")
except OSError as error:
    print(errno.errorcode[error.errno])
os.unlink("/data/spool/native/probe")
"""
    assert played.podman.execute(UPLOAD, "python3", "-c", script).strip() == "EXDEV"


def test_the_gateway_sees_no_database(played: Played) -> None:
    """The gateway cannot read upload's database, and no key of auth is in its pod. The console sees
    only its own folder of data.
    """
    assert "upload.db" in played.podman.execute(UPLOAD, "ls", "/data/upload")
    assert played.podman.execute(GATEWAY, "ls", "/data/upload") == ""
    assert played.podman.execute(UPLOAD, "ls", "/secrets").split() == ["sealing"]
    for container in (CONSOLE, GATEWAY):
        assert played.podman.call("exec", container, "ls", "/secrets", check=False).returncode
    assert played.podman.execute(CONSOLE, "ls", "/data").split() == ["console"]
    assert played.podman.execute(AUTH, "ls", "/secrets/signing-keys")


def test_commands_of_the_page(played: Played, client: httpx.Client) -> None:
    """The operators' commands of docs/kubernetes.md work in the pods, whose root is read-only."""
    assert client.put(f"{played.url}/v1/files/default/saved.txt", content=b"x").status_code == 201
    execute = played.podman.execute
    assert "faults: 0" in execute(UPLOAD, "wharf-upload", "check")
    execute(UPLOAD, "wharf-upload", "sweep", "--dry-run")
    execute(UPLOAD, "wharf-upload", "backup", "--link", "/data/backup/upload")
    assert "manifest.json" in execute(UPLOAD, "ls", "/data/backup/upload")
    execute(AUTH, "wharf-auth", "backup", "/tmp/backup")
    kept = execute(AUTH, "tar", "-C", "/tmp", "-cf", "-", "backup")
    assert "backup/auth.db" in kept
    execute(AUTH, "rm", "-r", "/tmp/backup")
    execute(AUTH, "wharf-auth", "tenant", "create", "team-a")
    words = ("client", "create", "team-a", "ci", "--scope", "files:read", "--scope", "files:write")
    made = dict(line.split(": ") for line in execute(AUTH, "wharf-auth", *words).splitlines())
    assert played.token(made["client_id"], made["client_secret"])


def test_probes(played: Played) -> None:
    """All probes of the manifests get a 200 at the addresses of the pods."""
    found = cluster(OVERLAY)
    asked = 0
    pods = (("auth", played.auth), ("console", played.console), ("upload", played.upload))
    for component, address in pods:
        pod = found.pod(component)
        for container in pod.containers():
            for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
                ask = container[kind]["httpGet"]
                port = pod.ports()[ask["port"]]
                answer = httpx.get(f"http://{address}:{port}{ask['path']}")
                assert answer.status_code == 200, (container["name"], kind, answer.text)
                asked += 1
    assert asked == 18


@pytest.mark.parametrize(
    ("port", "path", "name"),
    [
        (8083, "/metrics", "wharf_http_requests_total"),
        (8081, "/metrics/gateway", "wharf_gateway_"),
        (8081, "/metrics/live", "wharf_live_"),
        (8081, "/metrics/images", "wharf_images_"),
    ],
)
def test_metrics(played: Played, port: int, path: str, name: str) -> None:
    """The addresses of the upload pod that the ServiceMonitors name serve metrics."""
    until(
        lambda: name in httpx.get(f"http://{played.upload}:{port}{path}").text,
        lambda: httpx.get(f"http://{played.upload}:{port}{path}").text[:2000],
    )


def test_metrics_of_services(played: Played) -> None:
    """auth and the console serve metrics on their internal ports."""
    for url in (f"http://{played.auth}:8082/metrics", f"http://{played.console}:8085/metrics"):
        assert "wharf_http_requests_total" in httpx.get(url).text


def test_a_person_logs_in(played: Played, client: httpx.Client) -> None:
    """A login at the console works across pods, and the API sees the browser's address.

    The gateway connects to a port of the console's pod, and the console connects to the console
    door in the gateway's pod.
    """
    words = ("user", "create", "pods", "ann", "--role", "owner", "--generate")
    made = played.podman.execute(AUTH, "wharf-auth", *words)
    password = made.partition("password: ")[2].strip()
    # Browsers keep the console's cookie without TLS only for localhost, so the test uses the host
    # that `kubectl port-forward` gives.
    local = {"Host": "localhost:8080"}
    with httpx.Client(
        base_url=played.url, headers=local, timeout=60, follow_redirects=True
    ) as browser:
        page = browser.get("/", headers={"Accept": "text/html"})
        assert page.url.path == "/console/login"
        fields = dict(re.findall(r'name="(\w+)"[^>]* value="([^"]*)"', page.text))
        fields |= {"tenant": "pods", "username": "ann", "password": password}
        name = "a-login-in-the-pods"
        sent = {"Sec-Fetch-Site": "same-origin", "X-Request-Id": name}
        page = browser.post("/console/login", data=fields, headers=sent)
        assert (page.status_code, page.url.path) == (200, "/console/")

    def addresses() -> dict[str, str]:
        lines = (line for line in played.podman.logs(GATEWAY).splitlines() if name in line)
        found = [json.loads(line[line.index("{") :]) for line in lines]
        return {one["path"]: one["address"] for one in found}

    wanted = {"/console/login", "/auth/login"}
    until(lambda: wanted <= addresses().keys(), lambda: str(addresses()))
    assert len({addresses()[path] for path in wanted}) == 1


def test_a_pod_is_replaced(played: Played, client: httpx.Client) -> None:
    """TERM ends the upload pod within its grace period, and the next pod has all files."""
    body = os.urandom(LARGE_BYTES)
    kept = "/v1/files/default/kept.bin"
    assert client.put(f"{played.url}{kept}", content=body).status_code == 201
    pod = pod_of("wharf-upload")
    grace = cluster(OVERLAY).pod("upload").spec["terminationGracePeriodSeconds"]
    # podman does not support preStop, so the test runs upload's preStop hook itself: first while
    # the gateway runs, and again after the gateway has ended.
    upload = cluster(OVERLAY).pod("upload").container("upload")
    hook = upload["lifecycle"]["preStop"]["exec"]["command"]
    early = played.podman.call("exec", UPLOAD, *hook[:-1], "1", check=False)
    assert early.returncode != 0, "upload would end before its gateway"
    played.podman.call("stop", "--time", str(grace), GATEWAY)
    played.podman.call("exec", UPLOAD, *hook)
    played.podman.call("pod", "stop", "--time", str(grace), pod)
    for container in (UPLOAD, GATEWAY, LIVE, IMAGES):
        state = json.loads(played.podman.call("inspect", container).stdout)[0]["State"]
        # The code 137 would mean that KILL ended the container after its grace period.
        assert state["ExitCode"] != 137, played.podman.logs(container)
    played.podman.call("pod", "rm", "--force", pod)
    played.play_upload()
    back = client.get(f"{played.url}{kept}")
    assert (back.status_code, back.content) == (200, body)
