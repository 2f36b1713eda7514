"""Where nginx is on this machine, and which one it is."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from wharf_gateway.terminal import CannotRunError

_PLACES = ("/usr/sbin", "/usr/local/sbin", "/usr/local/nginx/sbin")
_VERSION = re.compile(r"nginx/([0-9]+)\.([0-9]+)\.([0-9]+)")


def path(environ: Mapping[str, str]) -> str:
    """Return the path of nginx's program.

    Raises:
        CannotRunError: there is none.
    """
    for directory in [*environ.get("PATH", os.defpath).split(":"), *_PLACES]:
        found = f"{directory}/nginx"
        if os.access(found, os.X_OK) and not os.path.isdir(found):
            return found
    raise CannotRunError("nginx was not found; install it (Debian: apt-get install nginx)")


def version(environ: Mapping[str, str]) -> tuple[int, int, int]:
    """Return the version of that nginx, such as (1, 26, 3).

    Raises:
        CannotRunError: there is no nginx, or it does not say.
    """
    import subprocess  # not needed by most starts

    program = path(environ)
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stderr
    found = _VERSION.search(said)
    if found is None:
        raise CannotRunError(f"{program} -v names no version: {said.strip()[:200]!r}")
    major, minor, patch = map(int, found.groups())
    return major, minor, patch
