"""The console's wheel, which its image installs, contains all files that pages need."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.servers.console_pages import built

ROOT = Path(__file__).parents[3]
CONSOLE = ROOT / "services/console"
PACKAGE = "wharf_console/"
# Files that are neither code nor needed for pages.
LEFT_OUT = {"__pycache__"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    """Return the wheel, made as services/Dockerfile makes it."""
    built()
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", folder, CONSOLE],
        check=True,
        capture_output=True,
    )
    (file,) = folder.glob("wharf_console-*.whl")
    return ZipFile(file)


def test_scripts_and_styles(wheel: ZipFile) -> None:
    """The files that the manifest names are in the wheel, including those that all pages load."""
    dist = f"{PACKAGE}static/dist/"
    names = set(wheel.namelist())
    manifest: dict[str, str] = json.loads(wheel.read(f"{dist}manifest.json"))
    assert {"console.js", "console.css", "uploads.js", "redoc.js"} <= manifest.keys()
    for file in manifest.values():
        assert {f"{dist}{file}", f"{dist}{file}.gz"} <= names


def test_everything_of_the_package(wheel: ZipFile) -> None:
    """The wheel contains each template, catalog and module of the package, and nothing else."""
    package = CONSOLE / "src" / PACKAGE
    wanted = {
        f"{PACKAGE}{path.relative_to(package).as_posix()}"
        for path in package.rglob("*")
        if path.is_file() and not LEFT_OUT & set(path.parts)
    }
    found = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert found == wanted
    for ending in (".html", ".po", ".py", ".css", ".js"):
        assert any(name.endswith(ending) for name in found), ending
