"""The sockets of a service whose container is replaced: the service's side
and the gateway's side.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

import kept_sockets
from kept_sockets import FdStore, Kept, fd_stores, new_socket, receive
from tests.servers.wharf.raw_http import until

_KEEPER = """
import sys, time
from kept_sockets import FdStore
FdStore(sys.argv[1], sys.argv[2], float(sys.argv[3])).start()
time.sleep(600)
"""
_PACKET_OF_0_1_0 = re.compile(rb"(keep|take) ([a-z]{1,20}\.sock)(?: ([0-9]{1,20} [0-9]{1,20}))?")
# Stands for uWSGI. It serves one inherited socket, and sends its process id.
_SERVER = """#!{python}
import os, signal, socket, sys
assert os.environ["UWSGI_RELOADS"] == "0" and os.environ["WHARF_SOCKETS_KEPT"]
signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
for mark in ("", ".term"):
    open(os.environ["WHARF_READY_FILE"] + mark, "w").close()
for name in os.listdir("/proc/self/fd"):
    if os.path.exists(f"/proc/self/fd/{{name}}") and int(name) > 2:
        listener = socket.socket(fileno=int(name))
listener.setblocking(True)
while True:
    connection, _ = listener.accept()
    connection.sendall(str(os.getpid()).encode())
    connection.close()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder with a short path, because paths of sockets must be short."""
    with tempfile.TemporaryDirectory(prefix="wharf-kept-") as name:
        yield Path(name)


@contextmanager
def keeper(folder: Path, instance: str = "one", seconds: float = 600) -> Iterator[Path]:
    """Start a process with the FdStore of a gateway, and yield the path of the FdStore's socket."""
    path = folder / f"keeper-{instance}.sock"
    process = subprocess.Popen([sys.executable, "-c", _KEEPER, str(folder), instance, str(seconds)])
    try:
        assert until(lambda: answers(path))
        yield path
    finally:
        process.kill()
        process.wait()


def kept_socket(path: Path) -> Kept:
    """Return the service's side of a kept socket."""
    return Kept(str(path))


def answers(store: str | Path) -> bool:
    """Tell whether an FdStore accepts connections."""
    with new_socket(5) as connection:
        return connection.connect_ex(str(store)) == 0


def inode(kept: Kept) -> int:
    """Return the inode of the socket, not of its file."""
    return os.fstat(kept.listener.fileno()).st_ino


def test_the_next_one_gets_the_same_socket(folder: Path) -> None:
    """The next service gets the kept socket and serves the clients that wait.

    Without an FdStore the service makes a new socket.
    """
    path = folder / "upload.sock"
    with keeper(folder):
        first = kept_socket(path)
        was = inode(first)
        first.leave_copies()
        first.listener.close()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            second = kept_socket(path)
            with closing(second.listener):
                assert inode(second) == was
                second.listener.accept()[0].close()
    assert not answers(fd_stores(str(folder))[0])
    third = kept_socket(path)
    with closing(third.listener):
        assert inode(third) != was
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_keeper_that_comes_later_gets_copies(folder: Path) -> None:
    """A service leaves a copy of its socket with each of several gateways, and leaves another
    copy after a gateway restarts.
    """
    kept = kept_socket(folder / "auth.sock")
    with closing(kept.listener):
        kept.leave_copies()
        for _ in range(2):
            with keeper(folder), keeper(folder, "two"):
                kept.leave_copies()
                # Each FdStore has its own copy.
                (folder / "keeper-one.sock").unlink()
                again = kept_socket(folder / "auth.sock")
                with closing(again.listener):
                    assert inode(again) == inode(kept)


def test_a_socket_that_nobody_reaches_is_not_taken(folder: Path) -> None:
    """A kept socket is not used when its file belongs to another socket."""
    path = folder / "upload.sock"
    with keeper(folder):
        kept = kept_socket(path)
        with closing(kept.listener):
            kept.leave_copies()
            path.unlink()
            other = kept_socket(path)
            with closing(other.listener):
                assert inode(other) != inode(kept)


def test_what_nobody_serves_for_long_is_closed(folder: Path) -> None:
    """A kept socket that no service takes in time is closed, so clients are refused."""
    path = folder / "upload.sock"
    with keeper(folder, seconds=0.1), socket.socket(socket.AF_UNIX) as waiting:
        kept = kept_socket(path)
        with closing(kept.listener):
            kept.leave_copies()
            waiting.settimeout(60)
            waiting.connect(str(path))
        with pytest.raises(ConnectionResetError):
            waiting.recv(1)
        with socket.socket(socket.AF_UNIX) as late, pytest.raises(ConnectionRefusedError):
            late.connect(str(path))


def test_a_copy_that_is_renewed_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that its service renews after 89 s is kept: it expires 90 s after the last renewal."""
    now = [0.0]
    monkeypatch.setattr(kept_sockets, "time", SimpleNamespace(monotonic=lambda: now[0]))
    FdStore(str(folder), "one").start()
    kept = kept_socket(folder / "upload.sock")
    with closing(kept.listener):
        for _ in range(3):
            kept.leave_copies()
            again = Kept(kept.path)
            with closing(again.listener):
                assert inode(again) == inode(kept)
            now[0] += 89


def test_a_socket_without_its_file_is_not_left(folder: Path) -> None:
    """A service that ends while the next one runs does not replace the next one's copy."""
    path = folder / "upload.sock"
    with keeper(folder):
        old = kept_socket(path)
        path.unlink()
        new = kept_socket(path)
        with closing(old.listener), closing(new.listener):
            new.leave_copies()
            old.leave_copies()
            third = kept_socket(path)
            with closing(third.listener):
                assert inode(third) == inode(new)


def test_a_gateway_that_hangs_is_not_waited_for(folder: Path) -> None:
    """A gateway that does not respond does not block the service's first process."""
    kept = kept_socket(folder / "upload.sock")
    with new_socket(60) as hanging, closing(kept.listener):
        hanging.bind(str(folder / "keeper-one.sock"))
        hanging.listen(1)
        begin = time.monotonic()
        for _ in range(50):
            kept.leave_copies()
        assert time.monotonic() - begin < 5


def test_a_service_of_the_release_before(folder: Path) -> None:
    """A service of release 0.1.0 gets the responses that it expects, and its connection is closed.

    A service of 0.1.0 keeps its connection open. When the FdStore closes the connection, the
    service connects again and sends a new copy of its socket.
    """

    def asked(packet: bytes, *descriptors: int) -> tuple[bytes, socket.socket | None]:
        with new_socket(60) as connection:
            connection.connect(str(keeper_path))
            socket.send_fds(connection, [packet], descriptors)
            answer = receive(connection)
            assert connection.recv(1) == b""
            return answer

    with keeper(folder) as keeper_path, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "upload.sock"))
        assert asked(b"keep upload.sock 1 2", listener.fileno()) == (b"kept", None)
        numbers, found = asked(b"take upload.sock")
        assert numbers == b"1 2"
        assert found is not None
        with found:
            assert os.fstat(found.fileno()).st_ino == os.fstat(listener.fileno()).st_ino


def test_a_gateway_of_the_release_before(folder: Path) -> None:
    """A gateway of release 0.1.0, which keeps a copy for 90 s, understands the
    packets of this release.
    """
    path, understood = folder / "upload.sock", []
    with new_socket(60) as gateway:
        gateway.bind(str(folder / "keeper-one.sock"))
        gateway.listen()

        def serve() -> None:
            for _ in range(2):
                with gateway.accept()[0] as client:
                    packet, listener = receive(client)
                    understood.append((_PACKET_OF_0_1_0.fullmatch(packet), listener is not None))
                    if listener is not None:
                        listener.close()
                    with suppress(BrokenPipeError):
                        client.send(b"none")

        thread = threading.Thread(target=serve)
        thread.start()
        path.touch()  # as after a crash: a service asks for a socket only if its file exists
        kept = kept_socket(path)
        with closing(kept.listener):
            kept.leave_copies()
            thread.join(60)
    assert [(match and match[1], left) for match, left in understood] == [
        (b"take", False),
        (b"keep", True),
    ]


def test_nonsense_is_answered_and_nothing_more(folder: Path) -> None:
    """A packet that is no valid request, contains a path, or keeps a socket without its descriptor
    gets `none`, and the FdStore continues to serve.
    """
    with keeper(folder) as path:
        for packet in (b"x", b"take ../x.sock", b"keep upload.sock 1 2", b"keep upload.sock"):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
                client.settimeout(60)
                client.connect(str(path))
                client.send(packet)
                assert client.recv(100) == b"none"
        assert answers(path)


def test_the_first_process(folder: Path) -> None:
    """The first process passes its socket and signals to a child, and returns the child's exit
    code. A client that connects between two first processes is served by the second one.
    """
    server, path = folder / "server", folder / "upload.sock"
    server.write_text(_SERVER.format(python=sys.executable))
    server.chmod(0o755)
    command = [sys.executable, "-m", "servicekit.first_process", str(server), "x.ini", str(path)]

    def asked() -> int:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(60)
            client.connect(str(path))
            return int(client.recv(100) or b"0")

    with keeper(folder):
        first = subprocess.Popen(command)
        assert until(path.exists)
        served_by = asked()
        assert served_by != first.pid
        with socket.socket(socket.AF_UNIX) as waiting:
            first.terminate()
            assert first.wait(60) == 7
            waiting.settimeout(60)
            waiting.connect(str(path))
            second = subprocess.Popen(command)
            try:
                assert int(waiting.recv(100)) not in (served_by, 0)
            finally:
                second.terminate()
                second.wait(60)


def test_the_gateway_ends_first(folder: Path) -> None:
    """`wharf-upload await-gateway` waits until no gateway runs, but at most for `--seconds`."""
    program = Path(sys.executable).parent / "wharf-upload"
    environ = {**os.environ, "WHARF_DATA": str(folder), "WHARF_SOCKETS": str(folder)}

    def waited(seconds: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, "await-gateway", "--seconds", seconds],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    with keeper(folder):
        done = waited("0")
        assert done.returncode == 1
        assert "the gateway has not ended in 0 s" in done.stderr
    assert waited("60").returncode == 0


def test_a_child_finds_its_own_socket_among_those_it_inherits(folder: Path) -> None:
    """A child process finds the inherited socket of a path, and no socket for another path."""
    mine, other = kept_socket(folder / "live.sock"), kept_socket(folder / "auth.sock")
    with closing(mine.listener), closing(other.listener):

        def found(path: Path) -> str:
            code = "import os, sys, kept_sockets; one = kept_sockets.inherited(sys.argv[1]); "
            code += "print(os.fstat(one.fileno()).st_ino if one else None)"
            command = [sys.executable, "-c", code, str(path)]
            done = subprocess.run(command, close_fds=False, capture_output=True, check=True)
            return done.stdout.decode().strip()

        assert found(folder / "live.sock") == str(inode(mine))
        assert found(folder / "nobody.sock") == "None"


def test_one_that_listens_no_more_refuses_at_once(folder: Path) -> None:
    """A stopped socket closes waiting connections and refuses new ones, until it is bound again."""
    kept = kept_socket(folder / "live.sock")
    with socket.socket(socket.AF_UNIX) as waiting, socket.socket(socket.AF_UNIX) as late:
        waiting.connect(kept.path)
        kept.stop()
        with suppress(ConnectionResetError):
            assert waiting.recv(1) == b""
        with pytest.raises(FileNotFoundError):
            late.connect(kept.path)
        kept.bind_again()
        with closing(kept.listener):
            late.connect(kept.path)
