"""Gateway, auth, console and upload as running containers."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.deploy import hearing
from tests.servers.containers import CONTAINED, SERVICES, Images, Quartet
from tests.servers.docker import Engine
from tests.servers.wharf.raw_http import until

pytestmark = pytest.mark.timeout(1200)

_ASK = """
import http.client, json, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
found = {}
for path in sys.argv[2:]:
    connection.request("GET", path)
    answer = connection.getresponse()
    found[path] = (answer.status, answer.read().decode())
    connection.close()
print(json.dumps(found))
"""
# A process that the engine starts in the container, for example a health check, has no parent in
# the container. Its rights are final a moment later, so the list leaves it out.
_RIGHTS = """
import glob, json
found = []
for path in glob.glob("/proc/[0-9]*/status"):
    try:
        status = dict(line.rstrip().split(":", 1) for line in open(path))
    except OSError:
        continue
    if status["PPid"].strip() != "0" or path == "/proc/1/status":
        names = ("Uid", "Gid", "CapEff", "CapBnd", "NoNewPrivs")
        found.append({name: status[name].split() for name in names})
print(json.dumps(found))
"""


def ask(quartet: Quartet, service: str, port: int, *paths: str) -> dict[str, tuple[int, str]]:
    """Request paths at a port inside a container, and return the statuses and bodies."""
    words = ("exec", quartet.of(service), "python3", "-c", _ASK, str(port), *paths)
    found = json.loads(quartet.engine(*words))
    return {path: (status, body) for path, (status, body) in found.items()}


@pytest.fixture
def client(quartet: Quartet) -> Iterator[httpx.Client]:
    """Yield a client of the demo tenant."""
    demo = quartet.credentials()["demo"]
    with httpx.Client(base_url=quartet.url, timeout=60) as client:
        answer = client.post(
            "/auth/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=(demo["client_id"], demo["client_secret"]),
        )
        assert answer.status_code == 200, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        assert client.put("/v1/buckets/docs", json={}).status_code in {200, 201}
        yield client


def test_a_file_goes_in_and_comes_out(quartet: Quartet, client: httpx.Client) -> None:
    """A spooled body is stored unchanged across the container's mounts, and leaves the spool."""
    content = os.urandom(5_000_000)
    answer = client.put("/v1/files/docs/big.bin", content=content)
    assert answer.status_code == 201, answer.text
    assert client.get("/v1/files/docs/big.bin").content == content
    # nginx's spool no longer contains the body.
    left = quartet.engine("exec", quartet.of("gateway"), "find", "/data/spool", "-type", "f")
    assert left == ""


def test_a_gateway_without_its_extras(client: httpx.Client) -> None:
    """Without live channel and small pictures, files work, and requests for these two get 503."""
    content = hearing.photograph()
    assert client.put("/v1/files/docs/large.jpg", content=content).status_code == 201
    assert client.get("/v1/files/docs/large.jpg").content == content
    small = client.get("/v1/files/docs/large.jpg?w=64")
    live = client.get("/v1/events", headers={"Accept": "text/event-stream"})
    for answer in (small, live):
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, True), answer.text


def test_a_person_logs_in(quartet: Quartet) -> None:
    """The password in credentials.json opens the console, and nginx serves its static files."""
    demo = quartet.credentials()["demo"]
    with httpx.Client(base_url=quartet.url, timeout=60, follow_redirects=True) as browser:
        page = browser.get("/", headers={"Accept": "text/html"})
        assert page.url.path == "/console/login"
        fields = dict(re.findall(r'name="(\w+)"[^>]* value="([^"]*)"', page.text))
        fields |= {name: demo[name] for name in ("tenant", "username", "password")}
        same = {"Sec-Fetch-Site": "same-origin"}
        page = browser.post("/console/login", data=fields, headers=same)
        assert (page.status_code, page.url.path) == (200, "/console/")
        scripts = re.findall(r'(?:src|href)="(/console/static/[^"]+)"', page.text)
        assert {path.rpartition(".")[2] for path in scripts} == {"css", "js"}
        for path in scripts:
            answer = browser.get(path)
            assert answer.status_code == 200
            # nginx serves these files, not the console.
            assert "Cross-Origin-Opener-Policy" not in answer.headers


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_has_no_rights(quartet: Quartet, service: str) -> None:
    """Every process has uid 10001, no capability, no way to get one, and a read-only root."""
    words = ("exec", quartet.of(service))
    found = json.loads(quartet.engine(*words, "python3", "-c", _RIGHTS))
    assert len(found) >= 2
    assert [rights for rights in found if rights != found[0]] == []
    assert found[0] == {
        "Uid": ["10001"] * 4,
        "Gid": ["10001"] * 4,
        "CapEff": ["0000000000000000"],
        "CapBnd": ["0000000000000000"],
        "NoNewPrivs": ["1"],
    }
    assert "Read-only file system" in quartet.engine.try_out(*words, "touch", "/x").stderr


def test_what_a_container_sees_of_the_data(quartet: Quartet) -> None:
    """The gateway cannot read upload's database or auth's keys.

    upload cannot read auth's files. The console can read only its session records.
    """
    seen = {
        service: quartet.engine(
            "exec", quartet.of(service), "find", "/data", "-type", "f"
        ).splitlines()
        for service in SERVICES
    }
    databases = {
        service: {path for path in paths if path.endswith((".db", ".pem", ".json"))}
        for service, paths in seen.items()
    }
    assert databases["gateway"] == set()
    assert {path.split("/")[2] for path in seen["console"]} == {"console"}
    names = {path.rpartition("/")[2].partition("-")[0] for path in databases["upload"]}
    assert names == {"upload.db", "jwks.json", "under_way"}
    assert {"/data/auth/auth.db", "/data/credentials.json"} < databases["auth"]


def test_internal_ports_show_metrics_and_health_alone(quartet: Quartet) -> None:
    """Internal ports serve metrics and health, and nothing that needs a token. Those of auth and of
    the gateway also serve auth's public keys and feed.
    """
    found = ask(quartet, "auth", 8082, "/metrics", "/healthz", "/readyz", "/jwks", "/feed?after=0")
    assert {status for status, _ in found.values()} == {200}
    assert "wharf_http_requests_total" in found["/metrics"][1]
    found = ask(quartet, "upload", 8083, "/metrics", "/healthz", "/readyz")
    assert {status for status, _ in found.values()} == {200}
    found = ask(quartet, "console", 8085, "/metrics", "/healthz", "/readyz")
    assert {status for status, _ in found.values()} == {200}
    for service, port in (("auth", 8082), ("console", 8085), ("upload", 8083)):
        found = ask(
            quartet, service, port, "/v1/files/docs/x", "/auth/internal/feed", "/", "/console/login"
        )
        assert {status for status, _ in found.values()} == {404}
    # upload's collector writes these metrics each second.
    assert until(
        lambda: ask(quartet, "gateway", 8081, "/metrics/nginx")["/metrics/nginx"][0] == 200
    )
    paths = ("/metrics/auth", "/metrics/console", "/metrics/upload", "/metrics/gateway")
    found = ask(quartet, "gateway", 8081, *paths, "/healthz", "/readyz", "/jwks", "/feed")
    assert {path: status for path, (status, _) in found.items() if status != 200} == {}


def test_the_gateway_serves_the_pages_about_problems(client: httpx.Client) -> None:
    """The `type` of a problem is the address of a page that explains the problem."""
    answer = client.get("/v1/files/docs/no-such-file")
    assert answer.status_code == 404
    page = client.get(answer.json()["type"])
    assert page.status_code == 200
    assert "<h1>" in page.text


def test_hangup_replaces_the_processes(quartet: Quartet, client: httpx.Client) -> None:
    """HUP replaces the workers of uWSGI and nginx, and Wharf still serves the same files."""
    content = b"as before"
    assert client.put("/v1/files/docs/hangup.txt", content=content).status_code in {200, 201}
    for service in SERVICES:
        quartet.engine("kill", "--signal", "HUP", quartet.of(service))
    quartet.wait_healthy()
    assert until(lambda: client.get("/readyz").status_code == 200)
    assert client.get("/v1/files/docs/hangup.txt").content == content
    for service in SERVICES:
        assert quartet.engine.inspect(quartet.of(service))["State"]["Running"]


def _asks_for(number: int, engine: Engine, container: str) -> bool:
    status = engine("exec", container, "cat", "/proc/1/status")
    (caught,) = [line for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def test_the_worker_is_the_upload_image(quartet: Quartet, images: Images) -> None:
    """The worker runs from the upload image on the same volumes, and TERM ends it in time."""
    name, (_, files, records, *_) = f"{quartet.name}-worker", quartet.volumes
    volumes = ("--volume", f"{files}:/data", "--volume", f"{records}:/data/upload")
    words = ("run", "--detach", "--name", name, *CONTAINED, *volumes, "--no-healthcheck")
    quartet.engine(*words, images.upload, "worker")
    try:
        # The kernel does not deliver signals to a first process without a handler for them.
        assert until(lambda: _asks_for(signal.SIGTERM, quartet.engine, name)), (
            quartet.engine.output(name)
        )
        quartet.engine("stop", "--time", "60", name)
        state = quartet.engine.inspect(name)["State"]
        assert state["ExitCode"] in {0, 143}, quartet.engine.output(name)
        assert "Traceback" not in quartet.engine.output(name)
    finally:
        quartet.engine.remove("container", [name])


def test_a_second_gateway_on_one_spool_is_refused(
    quartet: Quartet, engine: Engine, images: Images
) -> None:
    """A second gateway with the same instance name ends with an error line that names the spool."""
    files, auth_socket, sockets = quartet.volumes[1], quartet.volumes[3], quartet.volumes[4]
    volumes = ("--volume", f"{files}:/data", "--volume", f"{auth_socket}:/run/wharf/auth")
    done = engine.try_out(
        *("run", "--rm", "--network", "none", *CONTAINED, "--env", "WHARF_INSTANCE=one"),
        *("--env", "WHARF_READY_SECONDS=1"),
        *(*volumes, "--volume", f"{sockets}:/run/wharf/upload", images.gateway),
    )
    assert done.returncode == 1
    assert "another gateway uses /data/spool/one" in done.stderr


_ALONE = (
    *("--tmpfs", "/data:uid=10001,gid=10001,mode=0700", "--publish", "127.0.0.1::8080"),
    *("--tmpfs", "/run/wharf/upload:uid=10001,gid=10001,mode=0700"),
    *("--env", "WHARF_BODY_WINDOW_SECONDS=1", "--env", "WHARF_BODY_MIN_BYTES_PER_SECOND=500"),
)
_OFF = "slow request bodies are not cut"


def test_slow_bodies_are_cut_where_the_sandbox_lets_it(
    quartet: Quartet, engine: Engine, images: Images
) -> None:
    """The gateway ends slow bodies if SYS_PTRACE is in its bounding set, but not effective."""
    name = f"{quartet.name}-alone"
    words = ("run", "--detach", "--name", name, *CONTAINED, "--cap-add", "SYS_PTRACE", *_ALONE)
    engine(*words, images.gateway)
    try:
        assert until(lambda: engine.try_out("exec", name, "cat", "/tmp/nginx/nginx.pid").stdout)
        status = engine("exec", name, "cat", "/proc/1/status")
        assert "CapEff:\t0000000000000000" in status
        port = engine.inspect(name)["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"]
        with socket.create_connection(("127.0.0.1", int(port)), timeout=0.2) as connection:
            head = "POST /auth/oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n"
            connection.sendall(head.encode())
            assert until(lambda: _ends_after_another_byte(connection)), engine.output(name)
        assert until(lambda: "cut 1 requests" in engine.output(name)), engine.output(name)
        assert _OFF not in engine.output(name)
    finally:
        engine.remove("container", [name])


def _ends_after_another_byte(connection: socket.socket) -> bool:
    try:
        connection.sendall(b"x")
        return connection.recv(100) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_where_the_sandbox_does_not_one_line_says_so(quartet: Quartet) -> None:
    """A gateway without any capability works, and logs once that it does not cut slow bodies."""
    said = quartet.engine.output(quartet.of("gateway"), of_last_start=True)
    assert said.count(_OFF) == 1


def test_a_stop_is_an_orderly_end_and_the_next_start_knows_everything(
    quartet: Quartet, client: httpx.Client
) -> None:
    """TERM ends all services with code 0, and a restart on the same volumes has the same data."""
    content = b"still here"
    assert client.put("/v1/files/docs/kept.txt", content=content).status_code in {200, 201}
    before = quartet.credentials()
    for service in ("gateway", "console", "upload", "auth"):
        quartet.engine("stop", "--time", "60", quartet.of(service))
        state = quartet.engine.inspect(quartet.of(service))["State"]
        assert state["ExitCode"] == 0, quartet.engine.output(quartet.of(service))
    for service in SERVICES:
        quartet.engine("start", quartet.of(service))
    quartet.wait_healthy()
    assert quartet.credentials() == before
    # The gateway has another port now.
    answer = httpx.get(f"{quartet.url}/v1/files/docs/kept.txt", headers=client.headers, timeout=60)
    assert answer.content == content
