"""The command `serve` of a service in a container: it prepares the environment and runs uWSGI."""

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
    """Return the path of the service's options for uWSGI in an image.

    Raises:
        SettingsError: the file does not exist.
    """
    path = Path(sys.prefix) / "etc" / f"uwsgi-{service}.ini"
    if not path.is_file():
        raise SettingsError(
            f"there is no {path}: `serve` works in an image; without containers use `make run`"
        )
    return path


def environment(service: str, environ: MutableMapping[str, str]) -> None:
    """Set the environment variables that depend on the container.

    The metrics of all processes are in files of one folder. The function empties the folder, since
    files of an earlier container would be counted again.
    """
    metrics = Path(tempfile.gettempdir()) / f"wharf-{service}-metrics"
    metrics.mkdir(mode=0o700, exist_ok=True)
    for old in metrics.glob("*.db"):
        old.unlink()
    environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)
    environ["WHARF_PYTHON"] = sys.executable
    # WHARF_INSTANCE names the spool of the gateway and its upload service, which have the same host
    # name in a pod.
    if not environ.get("WHARF_INSTANCE"):
        environ["WHARF_INSTANCE"] = socket.gethostname().lower()


def run_uwsgi(service: str, paths: Sequence[str]) -> NoReturn:
    """Replace this process by uWSGI, or by uWSGI's parent if all its sockets are files.

    Args:
        service: the service, which names the file with uWSGI's options.
        paths: the paths of the unix sockets that uWSGI listens on. The parent keeps them open when
            the container is replaced (`first_process`).

    Raises:
        SettingsError: the file with uWSGI's options does not exist.
    """
    ini = str(ini_file(service))
    os.umask(0o077)
    environment(service, os.environ)
    uwsgi = f"{sys.prefix}/bin/uwsgi"
    command = [uwsgi, "--ini", ini]
    if all(path.startswith("/") for path in paths):
        command = [sys.executable, "-m", "servicekit.first_process", uwsgi, ini, *paths]
        # The kernel discards signals for the first process of a container while exec replaces it.
        # Blocked signals stay pending instead.
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDED_ON)
    os.execv(command[0], command)  # noqa: S606 -- no shell is wanted
