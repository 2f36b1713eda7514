"""The images service as nginx sees it: a process with a socket."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from kept_sockets import Kept
from servicekit.uwsgi_protocol import packet_of
from tests.servers.image_files import LOCATION, encoded
from tests.servers.images import BINARY, START_SECONDS, Service, service
from tests.servers.ports import free_port
from tests.servers.uwsgi import connect, raw_answer
from tests.servers.wharf.raw_http import until

SMALL = encoded(Image.new("RGB", (200, 100), (200, 0, 0)), "PNG")
OTHER = "acme/0b/0000000000000000000000000000000b"


@pytest.fixture(scope="module")
def port() -> int:
    """Return a free port, for the service's internal port."""
    return free_port()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Service]:
    """Yield one service for all of these tests."""
    folder = tmp_path_factory.mktemp("images")
    with service(folder, {"WHARF_IMAGES_INTERNAL": f"127.0.0.1:{port}"}) as found:
        found.blobs.files[LOCATION] = SMALL
        yield found


@pytest.mark.parametrize("width", [64, 256, 1024])
def test_a_picture_of_each_width(images: Service, width: int) -> None:
    """The service returns a WebP picture of each width, which nginx may keep for a month."""
    reply = images.picture(width=width)
    assert (reply.status, reply.headers["Content-Type"]) == (200, "image/webp")
    assert reply.headers["X-Accel-Expires"] == "2592000"
    assert max(Image.open(io.BytesIO(reply.body)).size) == min(width, 200)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"just a text", "unknown"), (SMALL[:60], "broken"), (None, "gone")],
)
def test_no_picture(images: Service, content: bytes | None, reason: str) -> None:
    """For a file without a picture the service returns an empty 404, which nginx may keep for an
    hour, and counts the reason.
    """
    name = f'wharf_images_no_preview_total{{reason="{reason}"}}'
    before = images.metric(name)
    if content is not None:
        images.blobs.files[OTHER] = content
    reply = images.picture(OTHER)
    images.blobs.files.pop(OTHER, None)
    assert (reply.status, reply.body) == (404, b"")
    assert reply.headers["X-Accel-Expires"] == "3600"
    assert images.metric(name) == before + 1


def test_bytes_that_do_not_come(images: Service) -> None:
    """When the bytes of a blob cannot be read, the service returns 503 with a
    `Retry-After` of one second.
    """
    images.blobs.raw[OTHER] = b"HTTP/1.1 502 Bad Gateway\r\n\r\n"
    reply = images.picture(OTHER)
    del images.blobs.raw[OTHER]
    assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
    assert reply.headers["X-Accel-Expires"] is None


@pytest.mark.parametrize(
    ("path", "variables"),
    [
        ("/", {}),
        ("/picture", {}),
        ("/picture", {"WHARF_BLOB": LOCATION, "WHARF_WIDTH": "65"}),
        ("/picture", {"WHARF_BLOB": "../0a/00", "WHARF_WIDTH": "64"}),
        ("/picture", {"WHARF_BLOB": f"{LOCATION}\n", "WHARF_WIDTH": "64"}),
        (
            "/picture",
            {"WHARF_BLOB": LOCATION, "WHARF_WIDTH": "64", "WHARF_BLOB_SIGNED": "/a\r\nB: c"},
        ),
    ],
)
def test_what_is_no_request_for_a_picture(
    images: Service, path: str, variables: dict[str, str]
) -> None:
    """A request that asks for no valid picture gets 404, and the service requests no blob."""
    before = list(images.blobs.asked)
    assert images.ask(path, **variables).status == 404
    assert images.blobs.asked == before


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n\r\n", b"\x05\x00\x00\x00", bytes(4)])
def test_other_protocols_are_hung_up_on(images: Service, sent: bytes) -> None:
    """The service closes a connection with another protocol without a response,
    and continues to serve.
    """
    with connect(images.socket) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""
    assert images.picture().status == 200


def test_probes(images: Service, port: int) -> None:
    """The gateway's socket and the internal port serve probes and metrics. Only
    the socket serves pictures.
    """
    for path in ("/healthz", "/readyz", "/metrics"):
        assert images.ask(path).status == 200
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            assert answer.status == 200
    assert json.loads(images.ask("/readyz").body) == {"status": "ready"}
    refused = raw_answer(("127.0.0.1", port), b"GET /picture HTTP/1.0\r\n\r\n")
    assert refused.startswith(b"HTTP/1.1 404 ")
    assert raw_answer(("127.0.0.1", port), b"POST /metrics HTTP/1.0\r\n\r\n")[9:12] == b"404"


def test_a_zygote_that_is_killed(images: Service) -> None:
    """After the zygote was killed, a new zygote makes the next picture."""
    children = Path(f"/proc/{images.process.pid}/task/{images.process.pid}/children")
    before = images.metric("wharf_images_zygote_restarts_total")
    (zygote,) = children.read_text().split()
    os.kill(int(zygote), signal.SIGKILL)
    assert images.picture().status == 200
    assert images.metric("wharf_images_zygote_restarts_total") == before + 1


def test_more_requests_than_places(tmp_path: Path) -> None:
    """Requests above the number of places get 503 with `Retry-After: 1`, and the
    others get pictures.
    """
    slow = encoded(Image.new("RGB", (3000, 3000)), "PNG", compress_level=1)
    with service(tmp_path, {"WHARF_IMAGES_WORKERS": "1", "WHARF_IMAGES_WAITING": "2"}) as images:
        images.blobs.files[LOCATION] = slow
        with ThreadPoolExecutor(12) as threads:
            replies = list(threads.map(lambda _: images.picture(), range(12)))
        busy = [one for one in replies if one.status == 503]
        assert {one.status for one in replies} == {200, 503}
        assert {one.headers["Retry-After"] for one in busy} == {"1"}
        name = 'wharf_images_pictures_total{outcome="busy"}'
        assert images.metric(name) == len(busy)


def test_term_ends_what_was_begun(tmp_path: Path) -> None:
    """After SIGTERM the service finishes the picture under way, exits with 0, and leaves no process
    and no error in the log.
    """
    with service(tmp_path) as images:
        images.blobs.files[LOCATION] = SMALL
        images.blobs.goes_on.clear()
        (zygote,) = _children(images.process.pid)
        replies: list[int] = []
        thread = threading.Thread(target=lambda: replies.append(images.picture().status))
        thread.start()
        while images.metric("wharf_images_busy") == 0:
            time.sleep(0.005)
        images.process.send_signal(signal.SIGTERM)
        images.blobs.goes_on.set()
        assert images.process.wait(START_SECONDS) == 0
        thread.join(10)
        assert replies == [200]
        assert not Path(f"/proc/{zygote}").exists()
        assert "error" not in images.log.read_text()


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_a_service_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    """When the service is killed, its zygote ends too."""
    with service(tmp_path) as images:
        (zygote,) = _children(images.process.pid)
        images.process.kill()
        images.process.wait()
        assert until(lambda: _is_gone(zygote), START_SECONDS)


def _is_gone(pid: str) -> bool:
    """Tell whether a process has ended. A zombie counts as ended."""
    try:
        return " Z " in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_socket_that_is_inherited_is_used(tmp_path: Path) -> None:
    """A service that inherits a socket, as from `make run`, serves the clients that already
    wait at the socket.
    """
    kept = Kept(str(tmp_path / "images.sock"))
    with closing(kept.listener), connect(Path(kept.path)) as waiting:
        environment = {"PATH": os.environ["PATH"], "WHARF_SOCKETS": str(tmp_path)}
        process = subprocess.Popen(
            [BINARY, "serve"], env=environment, close_fds=False, stderr=subprocess.DEVNULL
        )
        try:
            waiting.sendall(packet_of({"REQUEST_METHOD": "GET", "PATH_INFO": "/healthz"}))
            assert waiting.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")
        finally:
            process.terminate()
            assert process.wait(30) == 0
        # The service did not make the socket, so it does not remove the file.
        assert Path(kept.path).exists()


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [BINARY, *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_check_says_what_the_kernel_gives() -> None:
    """`check` reports Landlock and seccomp of this kernel, and makes a picture in the sandbox."""
    done = run("check")
    assert done.returncode == 0
    landlock, seccomp, picture = done.stdout.splitlines()
    assert landlock.startswith("Landlock: ")
    assert seccomp.startswith("seccomp: filters for ")
    assert picture.startswith("picture: made in the sandbox in ")


def test_a_mistake_in_the_settings_is_one_line() -> None:
    """A wrong setting ends `serve` with exit code 1 and one line on standard error."""
    done = run("serve", WHARF_SOCKETS="relative")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("wharf-images: set WHARF_SOCKETS")
