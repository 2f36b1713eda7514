"""Folders, sockets, locks and log files of the native runner."""

from __future__ import annotations

import os
import socket
import stat
import time
from pathlib import Path

import pytest

from wharf_gateway.terminal import CannotRunError
from wharf_native import logfiles
from wharf_native.places import SERVICES, SOCKET_PATH_BYTES, Places, short_directory, take_lock


@pytest.mark.parametrize("length", [10, 77, 78, 79, 80, 200])
def test_sockets_fit(tmp_path: Path, length: int) -> None:
    """The path of a socket is short enough for the kernel, however long the data path is."""
    places = Places("/" + "d" * (length - 1), {"XDG_RUNTIME_DIR": str(tmp_path)})
    for service in (*SERVICES, "console-door"):
        assert len(os.fsencode(places.socket(service))) <= SOCKET_PATH_BYTES


def test_a_short_path_keeps_sockets_in_the_data() -> None:
    """Sockets are in the data folder if their paths are short enough for the kernel."""
    assert Places("/srv/wharf", {}).socket("auth") == "/srv/wharf/run/auth.sock"


def test_two_long_paths_share_nothing(tmp_path: Path) -> None:
    """Two data folders with long paths have different folders for sockets."""
    assert short_directory("/a" * 60, {}) != short_directory("/b" * 60, {})
    assert short_directory("/a" * 60, {"XDG_RUNTIME_DIR": "/nonexistent"}).startswith("/tmp/")


def test_a_foreign_socket_directory_is_refused(tmp_path: Path) -> None:
    """A folder for sockets that others may write, or that is a link, is refused."""
    environ = {"XDG_RUNTIME_DIR": "/tmp"}
    places = Places(str(tmp_path / ("d" * 120)), environ)
    planted = Path(places.sockets)
    planted.symlink_to(tmp_path)
    try:
        with pytest.raises(CannotRunError, match="other users can access it"):
            places.create()
    finally:
        planted.unlink()
    planted.mkdir()
    planted.chmod(0o777)
    try:
        with pytest.raises(CannotRunError, match="other users can access it"):
            places.create()
    finally:
        planted.rmdir()


def test_layout(tmp_path: Path) -> None:
    """Every folder is created with mode 0700, and a second call changes nothing."""
    places = Places(str(tmp_path / "data"), {})
    places.create()
    places.create()
    made = sorted(path.name for path in (tmp_path / "data").iterdir())
    shared = [
        "answers",
        "auth",
        "console",
        "log",
        "pictures",
        "run",
        "spool",
        "staging",
        "tenants",
        "upload",
    ]
    assert made == shared
    assert (tmp_path / "data/pictures/native").is_dir()
    for path in (tmp_path / "data").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_instances_on_one_data(tmp_path: Path) -> None:
    """Instances have separate spools, sockets, logs and locks; a sweep keeps another's files."""
    first, second = Places(str(tmp_path), {}), Places(str(tmp_path), {}, "b")
    locks = []
    for places in (first, second):
        places.create()
        locks.append(take_lock(places))
        for name in (places.spool, places.answers, places.run, places.log, places.nginx):
            (Path(name) / "mine").touch()
    assert first.sockets != second.sockets
    second.sweep()
    assert (tmp_path / "spool" / "native" / "mine").exists()
    assert (tmp_path / "answers" / "native" / "mine").exists()
    assert (tmp_path / "run" / "nginx" / "mine").exists()
    assert not (tmp_path / "spool" / "b" / "mine").exists()
    for lock in locks:
        os.close(lock)


def test_sweeping_leaves_data_alone(tmp_path: Path) -> None:
    """A sweep removes spool, metrics and sockets, and keeps all data of acknowledged uploads."""
    places = Places(str(tmp_path), {})
    places.create()
    stale = ["spool/native/1", "run/metrics-auth/x.db", "run/x.pid", "run/nginx/nginx.pid"]
    kept = ["staging/1", "tenants/blob", "auth/keys", "upload/upload.db", "log/auth.log"]
    stale += ["run/metrics-console/x.db", "answers/native/.nfs1"]
    kept += ["console/session"]
    for name in stale + kept:
        (tmp_path / name).touch()
    places.sweep()
    assert [name for name in stale if (tmp_path / name).exists()] == []
    assert [name for name in kept if not (tmp_path / name).exists()] == []


def test_nothing_looks_like_a_running_wharf(tmp_path: Path) -> None:
    """After a stop neither nginx's pid file nor a socket remains."""
    places = Places(str(tmp_path), {})
    places.create()
    left = (Path(places.nginx) / "nginx.pid", Path(places.socket("console-door")))
    left[0].touch()
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(left[1]))
    places.leave()
    assert [path for path in left if path.exists()] == []


def test_the_lock(tmp_path: Path) -> None:
    """While a process has the lock, a second one is refused, with the first one's process id."""
    places = Places(str(tmp_path), {})
    places.create()
    lock = take_lock(places)
    with pytest.raises(CannotRunError, match=f"process {os.getpid()}"):
        take_lock(places)
    os.close(lock)
    os.close(take_lock(places))


def filled(log: Path, text: str, end: float) -> None:
    """Write a log whose last line is from the time `end`, and rotate it."""
    log.write_text(text)
    logfiles.rotate(str(log), limit=len(text) - 1)
    os.utime(f"{log}.1", (end, end))


def kept(log: Path) -> list[str]:
    """Return the contents of a log's rotated files, newest first. No number may be missing."""
    number = len(list(log.parent.glob(f"{log.name}.*")))
    return [Path(f"{log}.{one + 1}").read_text() for one in range(number)]


def test_older_files_have_their_order_and_their_number(tmp_path: Path) -> None:
    """The newest rotated files are kept, up to a number, even when they are old."""
    log = tmp_path / "a.log"
    begin = time.time() - 5 * logfiles.KEPT_SECONDS
    for number in range(logfiles.KEPT + 6):
        filled(log, f"part {number:02}", begin + number)
    numbers = range(logfiles.KEPT + 5, 5, -1)
    assert kept(log) == [f"part {number:02}" for number in numbers]


def test_a_flood_does_not_take_the_place_of_history(tmp_path: Path) -> None:
    """If one day has too many log lines, the rotated files of earlier days are still kept."""
    log = tmp_path / "a.log"
    now = time.time()
    filled(log, "of monday", now - 3 * 86400)
    filled(log, "of tuesday", now - 2 * 86400)
    for number in range(50):
        filled(log, f"flood {number:02}", now - 50 + number)
    found = kept(log)
    assert found[-2:] == ["of tuesday", "of monday"]
    assert found[:2] == ["flood 49", "flood 48"]
    assert len(found) == logfiles.KEPT


def test_a_file_that_grew_far_beyond_its_limit(tmp_path: Path) -> None:
    """A log that is far larger than its limit is truncated, and its beginning is kept."""
    log = tmp_path / "a.log"
    log.write_text("begin" + "x" * 1000)
    logfiles.rotate(str(log), limit=10)
    assert kept(log) == ["begin" + "x" * 15]
    assert log.read_text() == ""


def test_a_full_disk_keeps_history(tmp_path: Path) -> None:
    """If the disk is too full for a copy, the log stays complete; no rotated file is replaced."""
    log = tmp_path / "a.log"
    filled(log, "part 1", time.time())
    log.write_text("part 2")
    # Each write to this file fails as on a full disk.
    (tmp_path / "a.log.new").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        logfiles.rotate(str(log), limit=3)
    assert kept(log) == ["part 1"]
    assert log.read_text() == "part 2"


def test_rotation_moves_a_file_aside(tmp_path: Path) -> None:
    """A rotation copies the log and empties it; a writer that has the log open appends to it."""
    log = tmp_path / "a.log"
    with log.open("a") as writer:
        writer.write("old\n")
        writer.flush()
        logfiles.rotate(str(log), limit=3)
        writer.write("new\n")
    assert (tmp_path / "a.log.1").read_text() == "old\n"
    assert log.read_text() == "new\n"
    logfiles.rotate(str(log), limit=4)
    assert log.read_text() == "new\n"


def test_the_last_lines(tmp_path: Path) -> None:
    """A tail returns the lines after a position, or the last lines if the log became shorter."""
    log = tmp_path / "a.log"
    log.write_text("".join(f"{n}\n" for n in range(30)))
    assert logfiles.tail(str(log), lines=2) == ["28", "29"]
    assert logfiles.tail(str(log), start=logfiles.size(str(log)) - 3) == ["29"]
    assert logfiles.tail(str(log), start=10_000, lines=1) == ["29"]
    assert logfiles.tail(str(tmp_path / "none.log")) == []
