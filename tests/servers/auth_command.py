"""The command `wharf-auth`, as an operator runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that runs the command with a separate data folder.

    `environ` adds to the environment.
    """

    def call(
        *arguments: str, environ: dict[str, str] | None = None, stdin: str | bytes = ""
    ) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if name[:6] != "WHARF_"}
        done = subprocess.run(
            [str(Path(sys.executable).parent / "wharf-auth"), *arguments],
            env={**clean, "WHARF_DATA": str(tmp_path / "data"), **(environ or {})},
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            check=False,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    return call


@pytest.fixture
def installed(run: Run, auth_template: Path, tmp_path: Path) -> Run:
    """Return the command with the data of a new installation."""
    shutil.copytree(auth_template, tmp_path / "data")
    return run


def mistake(done: subprocess.CompletedProcess[str], text: str, code: int = 1) -> None:
    """Check the exit code, and that standard error contains the text and no traceback.

    With exit code 1 the error is a single line that names the command.
    """
    assert done.returncode == code, done.stderr
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    if code == 1:
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith("wharf-auth: ")
