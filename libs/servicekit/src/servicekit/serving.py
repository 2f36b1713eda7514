"""What `serve` of a service does in a container: everything before uWSGI, then uWSGI itself."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import NoReturn

from servicekit.first_process import HANDED_ON
from servicekit.settings import SettingsError


def ini_file(service: str) -> Path:
    """Where an image has uWSGI's options of the service.

    Raises:
        SettingsError: it has none.
    """
    path = Path(sys.prefix) / "etc" / f"uwsgi-{service}.ini"
    if not path.is_file():
        raise SettingsError(
            f"there is no {path}: `serve` works in an image; without containers use `make run`"
        )
    return path


def environment(service: str, environ: MutableMapping[str, str]) -> None:
    """Fills in what uWSGI and the service are told and an image cannot know.

    The counters of all processes are in files of one folder, which has to be empty: what an earlier
    container left would be counted again.
    """
    metrics = Path(tempfile.gettempdir()) / f"wharf-{service}-metrics"
    metrics.mkdir(mode=0o700, exist_ok=True)
    for old in metrics.glob("*.db"):
        old.unlink()
    environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)
    environ["WHARF_PYTHON"] = sys.executable
    # Names the spool of this gateway and its upload service; in a pod they have one host name.
    if not environ.get("WHARF_INSTANCE"):
        environ["WHARF_INSTANCE"] = socket.gethostname().lower()


def run_uwsgi(service: str, paths: Sequence[str]) -> NoReturn:
    """Becomes uWSGI, or its parent where its sockets are files; the environment is ready.

    Args:
        service: names uWSGI's options.
        paths: of the unix sockets that it listens on, which outlive it (`first_process`).

    Raises:
        SettingsError: there are no options.
    """
    ini = str(ini_file(service))
    os.umask(0o077)
    environment(service, os.environ)
    uwsgi = f"{sys.prefix}/bin/uwsgi"
    command = [uwsgi, "--ini", ini]
    if all(path.startswith("/") for path in paths):
        command = [sys.executable, "-m", "servicekit.first_process", uwsgi, ini, *paths]
        # The kernel throws away what comes for a container's first process while that starts anew,
        # unless it is blocked: then it waits.
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDED_ON)
    os.execv(command[0], command)  # noqa: S606 -- no shell is wanted
