"""Which replicas share the data: each touches a file of its name, `replicas/<instance>`.

It lies on the store and not in the database: without the database nobody is dead. What a replica
that is gone has left is swept by whose worker it is; a living one's spool is its own affair.

The file says of which release the replica is, and when it said so (by the file's own clock, in unix
seconds): `0.2.0 1795903000`. Those of 0.1.0 are empty.
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
# Who touches a file and says no release for so long is not who said the one that stands there.
_SAID_SECONDS = 3 * TOUCH_SECONDS
_RELEASE = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:[.+-]?[a-z][a-z0-9.+-]*)?")
_MOST_BYTES = 100

Release = tuple[int, int, int]


def release_of(version: str) -> Release:
    """A version's numbers; a development version counts as the release that it leads to.

    Raises:
        ValueError: it is no version.
    """
    found = _RELEASE.fullmatch(version)
    if found is None:
        raise ValueError(f"{version!r} is no version")
    return int(found[1]), int(found[2]), int(found[3])


class Replicas:
    """The replicas on one WHARF_DATA; `clock` gives unix seconds, `version` is this process's."""

    def __init__(
        self, data: Path, clock: Callable[[], float] = time.time, version: str = __version__
    ) -> None:
        self._data, self._clock = data, clock
        self._version, self._release = version, release_of(version)
        self._folder = data / "replicas"

    def announce(self, instance: str) -> None:
        """Note that the replica lives, and is of this release; raises `OSError`."""
        path = self._folder / instance
        try:
            os.utime(path)
        except FileNotFoundError:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
        # While one process replaces another they share a name: then the older release holds.
        said = _said(path)
        if said is None or said >= self._release:
            self._say(path)

    def _say(self, path: Path) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            # As others will see it: a shared file system has a clock of its own.
            content = f"{self._version} {os.fstat(descriptor).st_mtime:.0f}\n".encode()
            os.pwrite(descriptor, content, 0)
            os.ftruncate(descriptor, len(content))
        finally:
            os.close(descriptor)

    def announce_until(self, stop: threading.Event, instance: str) -> None:
        """Note it again and again until `stop` is set."""
        while True:
            try:
                self.announce(instance)
            except OSError as error:
                log.warning("cannot say that this replica lives: %s", error.strerror)
            if stop.wait(TOUCH_SECONDS):
                return

    def silent_seconds(self, instance: str) -> float | None:
        """Return how long a replica has been silent; `None` if it never announced itself."""
        try:
            return self._clock() - (self._folder / instance).stat().st_mtime
        except OSError:
            return None

    def silent_ones(self, seconds: float) -> Iterator[str]:
        """Yield the replicas that have been silent for longer."""
        with suppress(FileNotFoundError):
            for name in sorted(os.listdir(self._folder)):
                silent = self.silent_seconds(name)
                if silent is not None and silent > seconds:
                    yield name

    def all_at_least(self, version: str, lost_seconds: float) -> bool:
        """Tell whether every living replica is of this release or a newer one: the release gate.

        Until then nothing may be stored or sent that an older release must not meet. A replica that
        is silent for `lost_seconds` is dead. A replica of unknown release is older than any. Where
        no replica is known, the answer is no. Without a shared folder this one sees itself alone,
        and must not be asked (ADR 56).
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
        """Remove what is left of a replica that is gone: its empty folders, and what it had heard.

        A replica with bodies in its spool stays: they are swept by their age.
        """
        with suppress(FileNotFoundError):
            try:
                (self._data / "spool" / instance).rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                return
            # Of nginx, whose files there have no names; a killed one leaves some on NFS.
            shutil.rmtree(self._data / "answers" / instance, ignore_errors=True)
            shutil.rmtree(self._data / "upload" / instance, ignore_errors=True)
            (self._folder / instance).unlink()


def _said(path: Path) -> Release | None:
    """The release that a file says, if who touches it is who said so; `None`: it is not known."""
    try:
        with open(path, "rb") as file:
            # Newer releases may say more.
            version, at, *_ = file.read(_MOST_BYTES).decode("ascii").split()
            touched = os.fstat(file.fileno()).st_mtime
        return release_of(version) if abs(touched - int(at)) <= _SAID_SECONDS else None
    except (OSError, ValueError):
        return None
