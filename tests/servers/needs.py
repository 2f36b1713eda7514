"""Requirements that tests have of the machine, and what happens when one is missing."""

from __future__ import annotations

import shutil
from typing import NoReturn

import pytest

from deploy.native import programs
from tests.session.skips import demanding


def lacking(reason: str) -> NoReturn:
    """Fail in CI and as root, because every requirement must be met there.
    Otherwise skip the test.
    """
    if demanding():
        pytest.fail(reason)
    pytest.skip(reason)


def needed(name: str) -> str:
    """Return the path of a program. If it is missing, call `lacking` with its package's name."""
    path = shutil.which(name, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    if path is None:
        lacking(f"there is no {name}; Debian: apt-get install {_package(name)}")
    return path


def _package(name: str) -> str:
    goal = programs.GOALS["test"]
    return next((one.package for one in goal.programs if one.name == name), name)
