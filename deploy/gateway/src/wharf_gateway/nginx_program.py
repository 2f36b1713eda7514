"""Finds the program nginx and its version."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping

from wharf_gateway.terminal import CannotRunError

_PLACES = ("/usr/sbin", "/usr/local/sbin", "/usr/local/nginx/sbin")
_VERSION = re.compile(r"nginx/([0-9]+)\.([0-9]+)\.([0-9]+)")


def find(environ: Mapping[str, str]) -> str:
    """Return the path of nginx; raise CannotRunError when it is not installed."""
    for directory in [*environ.get("PATH", os.defpath).split(":"), *_PLACES]:
        path = f"{directory}/nginx"
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    raise CannotRunError("nginx was not found; install it (Debian: apt-get install nginx)")


def version(program: str) -> tuple[int, int, int]:
    """Return the version of nginx; raise CannotRunError when nginx does not print it."""
    try:
        said = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stderr
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotRunError(f"{program} -v: {error}") from None
    match = _VERSION.search(said)
    if match is None:
        raise CannotRunError(f"{program} -v prints no version: {said.strip()!r}")
    major, minor, patch = map(int, match.groups())
    return major, minor, patch
