"""Children that begin as a copy of the supervisor: what they all load is in memory once.

Both services and the worker need Flask, the token library and much of the standard library, 30 MB
for each of them. The supervisor imports that before it starts them, and a child goes on from there
instead of running a new Python; the kernel copies a page only when somebody writes to it (ADR 20).
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import runpy
import sys
from collections.abc import Mapping, Sequence

# No module that makes metrics: those belong to one service, and read where from the environment.
SHARED_MODULES = (
    "argon2",
    "flask",
    "flask_limiter",
    "inotify_simple",
    "jwt",
    "msgspec",
    "prometheus_flask_exporter.multiprocess",
    "pyuwsgi",
    "wharf_auth.database.sql",
    "wharf_auth.signing",
    "wharf_upload.cli",
    "wharf_upload.hashing.daemon",
    "wharf_upload.processes.worker",
)
# What was imported, and what its files looked like then.
_imported: list[str] = []
_looked: list[int] = []
_PR_SET_NAME = 15
# From glibc's malloc.h; it reads its environment once, when the supervisor is started.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
# Free memory of so many bytes goes back to the kernel. By default both bounds grow with what is
# freed, up to 64 MiB, and each process comes to keep what its largest listing took.
_GIVE_BACK_BYTES = 256 * 1024


def preload() -> None:
    """Imports what children share; what is missing or broken is left to the child that needs it."""
    # prometheus_client asks at its import whether several processes count; where is asked later.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = os.devnull
    # What is collected leaves holes, and new objects in them make whole pages private.
    gc.disable()
    for name in SHARED_MODULES:
        try:
            importlib.import_module(name)
        except Exception:  # noqa: BLE001, S112 -- the child fails on it, and its log says why
            continue
    gc.freeze()
    gc.enable()
    del os.environ["PROMETHEUS_MULTIPROC_DIR"]
    _imported[:] = _files()
    _looked[:] = [_look(_imported)]


def is_current() -> bool:
    """Whether the files of what was imported are still the same; true when nothing was."""
    return not _looked or _looked[0] == _look(_imported)


def _files() -> list[str]:
    found = (getattr(module, "__file__", None) for module in tuple(sys.modules.values()))
    return [path for path in found if path]


def _look(paths: Sequence[str]) -> int:
    """A number that changes when one of the files is written to or replaced."""
    seen: list[object] = []
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            seen.append(path)
        else:
            seen.append((status.st_ino, status.st_mtime_ns, status.st_size))
    return hash(tuple(seen))


def is_own_script(path: str) -> bool:
    """Whether a file is a script for this very Python."""
    try:
        with open(path, "rb") as script:
            return script.readline().rstrip() == b"#!" + os.fsencode(sys.executable)
    except OSError:
        return False


def run_script(
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    keep: Sequence[int] = (),
) -> int:
    """Runs a Python script in this process, as if it had been started anew; its exit code.

    Of the descriptors those named in `keep` stay open.
    """
    # The lock on WHARF_DATA among them: an exec would have closed it.
    first = 3
    for kept in sorted(keep):
        os.set_inheritable(kept, True)
        os.closerange(first, kept)
        first = kept + 1
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    os.environ.update(environment)
    libc = ctypes.CDLL(None)
    # `ps -e` and `top` show it; the command line is the supervisor's.
    libc.prctl(_PR_SET_NAME, f"wharf-{name}".encode())
    _tune_malloc(libc, environment)
    sys.argv[:] = command
    try:
        runpy.run_path(command[0], run_name="__main__")
    except SystemExit as end:
        return _exit_code(end)
    except BaseException:  # noqa: BLE001 -- as Python itself ends
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _tune_malloc(libc: ctypes.CDLL, environment: Mapping[str, str]) -> None:
    mallopt = getattr(libc, "mallopt", None)
    if mallopt is None:
        return  # not glibc
    arenas = environment.get("MALLOC_ARENA_MAX", "")
    if arenas.isdecimal():
        mallopt(_M_ARENA_MAX, int(arenas))
    mallopt(_M_TRIM_THRESHOLD, _GIVE_BACK_BYTES)
    mallopt(_M_MMAP_THRESHOLD, _GIVE_BACK_BYTES)


def _exit_code(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    print(end.code, file=sys.stderr)
    return 1
