"""The list of replicas that share the data: each one updates a file `replicas/<instance>`.

The files are in the data folder and not in the database: without the database, all replicas would
seem dead. The worker with the turn sweeps what a dead replica has left. From the spool of a living
replica the worker removes only bodies that are older than any request.

The file contains the release of the replica, and the time of the entry (in unix seconds, by the
clock of the file system): `0.2.0 1795903000`. Files of release 0.1.0 are empty.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from wharf_upload import __version__

log = logging.getLogger(__name__)
TOUCH_SECONDS = 10.0
# If the file was updated this much later than its entry, the process that updates the file has not
# written the entry.
_SAID_SECONDS = 3 * TOUCH_SECONDS
_RELEASE = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:[.+-]?[a-z][a-z0-9.+-]*)?")
_MOST_BYTES = 100

Release = tuple[int, int, int]


def release_of(version: str) -> Release:
    """Return a version's numbers; a development version counts as the release that it leads to.

    Raises:
        ValueError: the text is not a version.
    """
    found = _RELEASE.fullmatch(version)
    if found is None:
        raise ValueError(f"{version!r} is no version")
    return int(found[1]), int(found[2]), int(found[3])


class Replicas:
    """The replicas on one WHARF_DATA; `clock` returns unix seconds, `version` is this process's."""

    def __init__(
        self, data: Path, clock: Callable[[], float] = time.time, version: str = __version__
    ) -> None:
        self._data, self._clock = data, clock
        self._version, self._release = version, release_of(version)
        self._folder = data / "replicas"

    def announce(self, instance: str) -> None:
        """Update the replica's file with the present time and this release; raises `OSError`."""
        path = self._folder / instance
        try:
            os.utime(path)
        except FileNotFoundError:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
        # While one process replaces another, two processes share the name. Then the older release
        # stays in the file.
        said = _said(path)
        if said is None or said >= self._release:
            self._say(path)

    def _say(self, path: Path) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            # The file's own time is used, because a shared file system may have another clock than
            # this machine.
            content = f"{self._version} {os.fstat(descriptor).st_mtime:.0f}\n".encode()
            os.pwrite(descriptor, content, 0)
            os.ftruncate(descriptor, len(content))
        finally:
            os.close(descriptor)

    def announce_until(self, stop: threading.Event, instance: str) -> None:
        """Update the file regularly until `stop` is set."""
        while True:
            try:
                self.announce(instance)
            except OSError as error:
                log.warning("cannot announce this replica: %s", error.strerror)
            if stop.wait(TOUCH_SECONDS):
                return

    def silent_seconds(self, instance: str) -> float | None:
        """Return the seconds since a replica's last update; `None` if the replica has no file."""
        try:
            return self._clock() - (self._folder / instance).stat().st_mtime
        except OSError:
            return None

    def silent_ones(self, seconds: float) -> Iterator[str]:
        """Yield the replicas without an update for longer than `seconds`."""
        with suppress(FileNotFoundError):
            for name in sorted(os.listdir(self._folder)):
                silent = self.silent_seconds(name)
                if silent is not None and silent > seconds:
                    yield name

    def all_at_least(self, version: str, lost_seconds: float) -> bool:
        """Tell whether every living replica has at least this release: the release gate.

        While the result is false, no process may store or send data that an older release cannot
        read. A replica without an update for `lost_seconds` is dead. A replica of unknown release
        counts as the oldest. The result is false if no replica is known. Without a shared folder a
        replica sees only itself, so the method must not be called (ADR 56).
        """
        wanted = release_of(version)
        try:
            names = os.listdir(self._folder)
        except OSError:
            return False
        living = []
        for name in names:
            silent = self.silent_seconds(name)
            if silent is not None and silent <= lost_seconds:
                living.append(_said(self._folder / name))
        return bool(living) and all(said is not None and said >= wanted for said in living)

    def forget(self, instance: str) -> None:
        """Remove a dead replica's file and folders, and its saved feed of revocations.

        If the replica's spool has bodies, remove nothing: the sweeper removes bodies by their age.
        """
        with suppress(FileNotFoundError):
            try:
                (self._data / "spool" / instance).rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                return
            # The temporary files of nginx in this folder have no names, but a killed nginx leaves
            # files on NFS.
            shutil.rmtree(self._data / "answers" / instance, ignore_errors=True)
            shutil.rmtree(self._data / "upload" / instance, ignore_errors=True)
            (self._folder / instance).unlink()


def _said(path: Path) -> Release | None:
    """Return the release in a file; `None` if the entry is invalid or much older than the file."""
    try:
        with open(path, "rb") as file:
            # Newer releases may add fields.
            version, at, *_ = file.read(_MOST_BYTES).decode("ascii").split()
            touched = os.fstat(file.fileno()).st_mtime
        return release_of(version) if abs(touched - int(at)) <= _SAID_SECONDS else None
    except (OSError, ValueError):
        return None
