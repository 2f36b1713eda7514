"""Filesystems for tests: mounts without a device, and ext4 disks whose power a test can cut."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.needs import lacking, needed

# EXT4_IOC_SHUTDOWN and EXT4_GOING_FLAGS_NOLOGFLUSH (linux/fs/ext4/ext4.h).
_SHUTDOWN, _WITHOUT_FLUSH = 0x8004587D, b"\2\0\0\0"


def _run(*command: str) -> None:
    needed(command[0])
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        lacking(f"{command[0]} is not possible here: {done.stderr.decode().strip()}")


def _unmount(folder: Path) -> None:
    done = subprocess.run(["umount", str(folder)], capture_output=True, check=False)
    if done.returncode:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def mounted(folder: Path, kind: str, options: str) -> Iterator[Path]:
    """Yield a filesystem without a device, mounted at `folder`."""
    if os.geteuid():
        lacking("mounting needs root")
    folder.mkdir()
    _run("mount", "-t", kind, "-o", options, kind, str(folder))
    try:
        yield folder
    finally:
        _unmount(folder)


class Disk:
    """An ext4 filesystem in a file, mounted at `folder`."""

    def __init__(self, image: Path, folder: Path, megabytes: int) -> None:
        if os.geteuid():
            lacking("mounting needs root")
        self._image, self.folder = image, folder
        folder.mkdir()
        with image.open("wb") as file:
            file.truncate(megabytes << 20)
        # Reserve no blocks for root, because root may run these tests.
        _run("mkfs.ext4", "-q", "-m", "0", str(image))
        self.mount()

    def mount(self) -> None:
        """Mount the filesystem, which replays its journal."""
        _run("mount", "-o", "loop", str(self._image), str(self.folder))

    def unmount(self) -> None:
        """Unmount the filesystem, which writes all data to the disk."""
        _unmount(self.folder)

    def cut_power(self) -> None:
        """Stop all writes to the disk, even those of the journal in memory."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, _WITHOUT_FLUSH)
        except OSError as error:
            lacking(f"this kernel cannot shut ext4 down: {error.strerror}")
        finally:
            os.close(descriptor)


@contextmanager
def disk(base: Path, megabytes: int) -> Iterator[Disk]:
    """Yield a separate disk, and unmount it afterwards."""
    own = Disk(base / "disk.img", base / "disk", megabytes)
    try:
        yield own
    finally:
        own.unmount()
