"""Where everything lies below WHARF_DATA, and what an earlier run may have left there."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from collections.abc import Mapping
from contextlib import suppress

from wharf_gateway import answers, pictures
from wharf_gateway.leftovers import remove_files
from wharf_gateway.terminal import CannotRunError

# A UNIX socket's path may have 107 bytes (sun_path of 108 holds a final zero).
SOCKET_PATH_BYTES = 107
# Longer than any name in use: services may put sockets of their own beside these.
_LONGEST_SOCKET = "a-name-of-24-characters."
_SHARED = ("spool", "staging", "tenants", "auth", "upload", "console", "answers", "pictures")
# Wharf goes on without these two: what they do is refused with 503 then (ADR 52).
OPTIONAL = ("live", "images")
# Of several processes each, whose metrics meet in a folder.
_COUNTED = ("auth", "upload", "console")
SERVICES = (*_COUNTED, *OPTIONAL)
# The instance that has a WHARF_DATA to itself.
ALONE = "native"


class Places:
    """The paths of one instance on a WHARF_DATA; all but the one called `native` say who they are.

    Attributes:
        data: the directory itself.
        run: sockets, pid files, rendered configuration; worthless after a stop.
        sockets: `run`, or a short directory elsewhere when that would be too long.
        spool: nginx's request bodies.
        answers: what clients have not read yet of answers; nginx's.
        pictures: small pictures that were made, kept by nginx.
        log: a file for each child.
    """

    __slots__ = ("answers", "data", "log", "nginx", "pictures", "run", "sockets", "spool")

    def __init__(self, data: str, environ: Mapping[str, str], instance: str = ALONE) -> None:
        own = "" if instance == ALONE else f"-{instance}"
        self.data = data
        self.run = f"{data}/run{own}"
        self.nginx = f"{self.run}/nginx"
        self.spool = f"{data}/spool/{instance}"
        self.answers = answers.folder(data, instance)
        self.pictures = pictures.folder(data, instance)
        self.log = f"{data}/log{own}"
        self.sockets = self.run
        if len(os.fsencode(f"{self.run}/{_LONGEST_SOCKET}")) > SOCKET_PATH_BYTES:
            self.sockets = short_directory(data + own, environ)

    def socket(self, service: str) -> str:
        return f"{self.sockets}/{service}.sock"

    def ready_file(self, service: str) -> str:
        """Made by a service when it accepts connections."""
        return f"{self.run}/{service}.ready"

    def metrics(self, service: str) -> str:
        return f"{self.run}/metrics-{service}"

    def log_file(self, name: str) -> str:
        return f"{self.log}/{name}.log"

    def create(self) -> None:
        """Makes the directories, closed to everyone else."""
        os.makedirs(self.data, mode=0o700, exist_ok=True)
        own = (self.nginx, *map(self.metrics, _COUNTED))
        shared = (f"{self.data}/{name}" for name in _SHARED)
        for path in (*shared, self.spool, self.answers, self.pictures, self.run, *own, self.log):
            # Another instance may begin at the same moment.
            with suppress(FileExistsError):
                os.mkdir(path, 0o700)
        if self.sockets != self.run:
            _own_directory(self.sockets)

    def sweep(self) -> None:
        """Removes what a killed run left; only for the holder of the lock.

        The spool is swept too: a killed nginx leaves the bodies it was receiving, and whatever
        the upload service took over has another name by then.
        """
        for directory in (*map(self.metrics, _COUNTED), self.spool, self.answers, self.nginx):
            remove_files(directory)
        self.remove_sockets()
        # 0.1.0 took requests there: its `wharf restart` must not find it.
        shutil.rmtree(f"{self.run}/control", ignore_errors=True)

    def remove_sockets(self) -> None:
        """Removes sockets, pid files and signs of readiness."""
        for directory in {self.run, self.nginx, self.sockets}:
            if not os.path.isdir(directory):
                continue
            for name in os.listdir(directory):
                path = f"{directory}/{name}"
                if name.endswith((".pid", ".ready", ".ready.term")) or stat.S_ISSOCK(
                    os.lstat(path).st_mode
                ):
                    os.unlink(path)

    def leave(self) -> None:
        """After a stop: nothing stays that would look like a running Wharf."""
        self.remove_sockets()
        if self.sockets != self.run:
            remove_files(self.sockets)
            os.rmdir(self.sockets)


def short_directory(data: str, environ: Mapping[str, str]) -> str:
    """A short path that belongs to this WHARF_DATA alone, for its sockets."""
    # Here, not above: hashlib loads OpenSSL, and few paths are long.
    from hashlib import sha256

    base = environ.get("XDG_RUNTIME_DIR", "")
    # 40 bytes leave room for the names below.
    if not os.path.isdir(base) or len(os.fsencode(base)) > 40:
        base = "/tmp"  # noqa: S108  _own_directory checks whose it is
    digest = sha256(os.fsencode(data)).hexdigest()[:12]
    return f"{base}/wharf-{os.geteuid()}-{digest}"


def _own_directory(path: str) -> None:
    """Makes a directory in a place where others may write, or takes one that is surely ours.

    Whoever owned it could put own sockets there, and a uwsgi socket is code execution.
    """
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        found = os.lstat(path)
        ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
        if not ours or stat.S_IMODE(found.st_mode) & 0o077:
            raise CannotRunError(f"{path} exists and is not ours alone; remove it") from None


def take_lock(places: Places) -> int:
    """The lock that makes this run the only one on its WHARF_DATA; held until exit.

    Raises:
        CannotRunError: another run holds it.
    """
    path = f"{places.run}/lock"
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise CannotRunError(
            f"Wharf already runs on {places.data} (process {holder}); "
            "stop it, or name another WHARF_DATA and WHARF_PORT (docs/scaling.md: several on one "
            "WHARF_DATA have a WHARF_INSTANCE each)"
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock
