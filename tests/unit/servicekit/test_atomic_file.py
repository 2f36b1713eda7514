"""Atomic replacement of files: a reader gets the whole old content or the whole new content."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from servicekit import atomic_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file with old content, alone in its folder."""
    file = tmp_path / "file"
    file.write_bytes(b"old")
    return file


def names(path: Path) -> list[str]:
    return os.listdir(path.parent)


def test_content_is_replaced(path: Path) -> None:
    """A replaced file has the new content, and its folder has no other file."""
    atomic_file.write(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(path) == ["file"]


def test_a_missing_file_is_made(path: Path) -> None:
    """A file that does not exist is created."""
    atomic_file.write(path.with_name("other"), b"new", durable=True)
    assert path.with_name("other").read_bytes() == b"new"


def test_readers_never_see_half_a_file(path: Path) -> None:
    """While a file is replaced repeatedly, a reader always gets a complete content."""
    contents = {bytes([number]) * 100_000 for number in range(5)}
    atomic_file.write(path, b"\0" * 100_000)
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            for content in contents:
                atomic_file.write(path, content)

    writer = threading.Thread(target=work)
    writer.start()
    try:
        assert {path.read_bytes() for _ in range(500)} <= contents
    finally:
        done.set()
        writer.join()


def test_a_failed_block_changes_nothing(path: Path) -> None:
    """An error inside the block keeps the old content and leaves no temporary file."""

    def half() -> None:
        with atomic_file.replacing(path) as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert path.read_bytes() == b"old"
    assert names(path) == ["file"]


def test_what_a_crash_left_is_no_hindrance(path: Path) -> None:
    """A temporary file that a killed writer left is replaced, with any content and any mode."""
    left = path.with_name(".file.new")
    left.write_bytes(b"left behind, and long")
    left.chmod(0o400)
    atomic_file.write(path, b"new", mode=0o600)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_is_replaced_not_followed(path: Path) -> None:
    """A symbolic link at the name, or at the temporary name, is replaced and not followed."""
    elsewhere = path.with_name("elsewhere")
    elsewhere.write_bytes(b"not ours")
    path.unlink()
    for link in (path, path.with_name(".file.new")):
        link.symlink_to(elsewhere)
    atomic_file.write(path, b"new")
    assert (path.read_bytes(), elsewhere.read_bytes()) == (b"new", b"not ours")
    assert not path.is_symlink()


def test_the_mode_is_the_callers(path: Path) -> None:
    """A replaced file has the requested mode from its creation on, not the mode of the old file."""
    path.chmod(0o644)
    with atomic_file.replacing(path, mode=0o600) as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600
        # SQLite and copies in the kernel write by the name instead of the descriptor.
        Path(file.name).write_bytes(b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == b"new"


def test_durable_is_content_before_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A durable write syncs the content, then renames the file, and then syncs the folder."""
    seen = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        seen.append((kind, path.read_bytes()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    atomic_file.write(path, b"new", durable=True)
    assert seen == [("file", b"old"), ("folder", b"new")]
    atomic_file.write(path, b"scratch")
    assert len(seen) == 2


def test_a_full_disk_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the content cannot be synced, the old file stays."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        atomic_file.write(path, b"new", durable=True)
    assert path.read_bytes() == b"old"
    assert names(path) == ["file"]
