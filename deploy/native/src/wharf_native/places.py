"""The paths below WHARF_DATA, and the removal of files that an earlier run left there."""

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

# The path of a UNIX socket may have 107 bytes (sun_path has 108 bytes with the final zero).
SOCKET_PATH_BYTES = 107
# Longer than any name in use: services may create further sockets in this folder.
_LONGEST_SOCKET = "a-name-of-24-characters."
_SHARED = ("spool", "staging", "tenants", "auth", "upload", "console", "answers", "pictures")
# Wharf can run without these two services. Without them, the gateway refuses their requests with
# 503 (ADR 52).
OPTIONAL = ("live", "images")
# Services with several processes, which share their metrics in a folder. The worker uses the folder
# of upload.
_COUNTED = ("auth", "upload", "console")
# Services with a listening socket.
LISTENING = (*_COUNTED, *OPTIONAL)
SERVICES = (*_COUNTED, "worker", *OPTIONAL)
# The name of an instance that does not share its WHARF_DATA.
ALONE = "native"


class Places:
    """The paths of one instance on a WHARF_DATA.

    All paths but `data` belong to this instance alone. They contain the name of the instance,
    except `run` and `log` of the instance `native`, and `sockets` in a short directory.

    Attributes:
        data: the directory WHARF_DATA.
        run: sockets, pid files and rendered configuration, which Wharf does not need after a stop.
        nginx: nginx's prefix in `run`.
        sockets: `run`, or another, short directory when paths of sockets would be too long.
        spool: the request bodies that nginx receives.
        answers: the parts of responses that clients have not read yet; nginx writes them.
        pictures: nginx's cache of small pictures.
        log: the log files, one for each program.
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
        """Return the path of the file that a service creates when it accepts connections."""
        return f"{self.run}/{service}.ready"

    def metrics(self, service: str) -> str:
        return f"{self.run}/metrics-{service}"

    def log_file(self, name: str) -> str:
        return f"{self.log}/{name}.log"

    def create(self) -> None:
        """Make the directories, closed to other users."""
        os.makedirs(self.data, mode=0o700, exist_ok=True)
        own = (self.nginx, *map(self.metrics, _COUNTED))
        shared = (f"{self.data}/{name}" for name in _SHARED)
        for path in (*shared, self.spool, self.answers, self.pictures, self.run, *own, self.log):
            # Another instance may start at the same moment.
            with suppress(FileExistsError):
                os.mkdir(path, 0o700)
        if self.sockets != self.run:
            _own_directory(self.sockets)

    def sweep(self) -> None:
        """Remove the files that a killed run left; only the holder of the lock may call this.

        The spool is emptied too: a killed nginx leaves the bodies that it was receiving. The upload
        service has renamed the bodies that it took over.
        """
        for directory in (*map(self.metrics, _COUNTED), self.spool, self.answers, self.nginx):
            remove_files(directory)
        self.remove_sockets()
        # Release 0.1.0 received requests in this folder; its `wharf restart` must not find it.
        shutil.rmtree(f"{self.run}/control", ignore_errors=True)

    def remove_sockets(self) -> None:
        """Remove sockets, pid files and ready files."""
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
        """Remove, after a stop, all files that would look like a running Wharf."""
        self.remove_sockets()
        if self.sockets != self.run:
            remove_files(self.sockets)
            os.rmdir(self.sockets)


def short_directory(data: str, environ: Mapping[str, str]) -> str:
    """Return a short path for the sockets of this WHARF_DATA only."""
    # Imported here because hashlib loads OpenSSL, and few paths are long.
    from hashlib import sha256

    base = environ.get("XDG_RUNTIME_DIR", "")
    # A base of at most 40 bytes leaves enough bytes for the names below.
    if not os.path.isdir(base) or len(os.fsencode(base)) > 40:
        base = "/tmp"  # noqa: S108  _own_directory checks its owner
    digest = sha256(os.fsencode(data)).hexdigest()[:12]
    return f"{base}/wharf-{os.geteuid()}-{digest}"


def _own_directory(path: str) -> None:
    """Make a directory in a place where other users may write, or check that it is only ours.

    Another owner could put sockets into it, and a client of a uwsgi socket can execute code.
    """
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        found = os.lstat(path)
        ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
        if not ours or stat.S_IMODE(found.st_mode) & 0o077:
            raise CannotRunError(
                f"{path} exists and other users can access it; remove it"
            ) from None


def take_lock(places: Places) -> int:
    """Return the descriptor of the lock that makes this run the only one with these places.

    Raises:
        CannotRunError: another run has the lock.
    """
    path = f"{places.run}/lock"
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise CannotRunError(
            f"Wharf already runs on {places.data} (process {holder}); stop it, or set another "
            "WHARF_DATA and WHARF_PORT (docs/scaling.md: several on one WHARF_DATA need different "
            "values of WHARF_INSTANCE)"
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock
