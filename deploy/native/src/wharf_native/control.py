"""How `wharf restart` asks the running supervisor: a file with names, a signal, a file back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence

from wharf_gateway.terminal import CannotRunError, log
from wharf_native.places import Places

SIGNAL = signal.SIGUSR1
_REQUEST, _ANSWER = ".request", ".answer"
_POLL_SECONDS = 0.05


def ask(places: Places, names: Sequence[str], timeout_seconds: float) -> None:
    """Has children restarted, and says what became of it.

    Raises:
        CannotRunError: none runs on this WHARF_DATA, or one of them was not replaced.
    """
    supervisor = running(places)
    if not os.path.isdir(places.control):
        raise CannotRunError("Wharf is still starting; wait until it is ready")
    mine = f"{places.control}/{os.getpid()}"
    _write(mine + _REQUEST, " ".join(names))
    os.kill(supervisor, SIGNAL)
    deadline = time.monotonic() + timeout_seconds
    while not os.path.exists(mine + _ANSWER):
        if time.monotonic() > deadline or running(places) != supervisor:
            raise CannotRunError("no answer from the running Wharf; see its output")
        time.sleep(_POLL_SECONDS)
    with open(mine + _ANSWER, encoding="utf-8") as file:
        error = file.read()
    os.unlink(mine + _ANSWER)
    if error:
        raise CannotRunError(error)
    log(f"restarted {', '.join(names)}")


def requests(places: Places) -> list[tuple[str, list[str]]]:
    """Takes what was asked for: where the answer goes, and the names."""
    found = []
    for name in sorted(os.listdir(places.control)):
        if name.endswith(_REQUEST):
            path = f"{places.control}/{name}"
            with open(path, encoding="utf-8") as file:
                names = file.read().split()
            os.unlink(path)
            found.append((path.removesuffix(_REQUEST), names))
    return found


def answer(to: str, error: str) -> None:
    """Says how it went; an empty text is good news."""
    _write(to + _ANSWER, error)


def running(places: Places) -> int:
    """The id of the supervisor; raises `CannotRunError` when there is none."""
    import fcntl

    try:
        lock = os.open(f"{places.run}/lock", os.O_RDONLY)
    except FileNotFoundError:
        raise CannotRunError(f"no Wharf runs on {places.data}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return int(os.pread(lock, 32, 0))
    finally:
        os.close(lock)
    raise CannotRunError(f"no Wharf runs on {places.data}; start it with `wharf run`")


def _write(path: str, text: str) -> None:
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(f"{path}.new", path)
