"""One version for all packages, which is not older than the changelog's newest release."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import servicekit
import wharf_auth
import wharf_console
import wharf_images
import wharf_upload

ROOT = Path(__file__).parents[3]
PACKAGES = (
    "libs/kept_sockets",
    "libs/servicekit",
    "libs/socket_guard",
    "services/auth",
    "services/console",
    "services/images",
    "services/upload",
    "deploy/gateway",
    "deploy/native",
)
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
CUT = re.compile(r"(\d+)\.(\d+)\.(\d+) \(\d{4}-\d{2}-\d{2}\)")


def test_all_packages_have_one_version() -> None:
    """All packages have the same version, in pyproject.toml and in `__version__`."""
    named = {
        tomllib.loads((ROOT / one / "pyproject.toml").read_text())["project"]["version"]
        for one in PACKAGES
    }
    ours = (servicekit, wharf_auth, wharf_console, wharf_images, wharf_upload)
    said = {one.__version__ for one in ours}
    assert named == said
    assert len(said) == 1


def test_the_version_follows_the_last_one_cut() -> None:
    """The changelog begins with unreleased changes; the code is not older than its last release."""
    first, *cut = HEADING.findall((ROOT / "CHANGELOG.md").read_text())
    assert first == "Unreleased"
    releases = [CUT.fullmatch(one) for one in cut]
    assert all(releases), cut
    numbers = [tuple(map(int, one.groups())) for one in releases if one]
    assert numbers == sorted(numbers, reverse=True)
    own = tuple(map(int, wharf_upload.__version__.split(".")[:3]))
    assert own >= numbers[0]
