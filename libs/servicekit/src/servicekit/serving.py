"""What `serve` of a service does in a container: everything before uWSGI, then uWSGI itself."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import MutableMapping
from pathlib import Path
from typing import NoReturn

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


def run_uwsgi(service: str) -> NoReturn:
    """Becomes uWSGI; the environment is ready. Raises `SettingsError`."""
    ini = str(ini_file(service))
    os.umask(0o077)
    environment(service, os.environ)
    uwsgi = f"{sys.prefix}/bin/uwsgi"
    os.execv(uwsgi, [uwsgi, "--ini", ini])  # noqa: S606 -- no shell is wanted
