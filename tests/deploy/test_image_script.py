"""`make images` where Node cannot be had: the images are built, and it is said last of all."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "deploy/images"
# In place of an engine that has every image, and of a Python that fetches no wheel.
DOCKER = "#!/bin/sh\necho 1000000\n"
PYTHON = """#!/bin/sh
case $1 in
*build_assets.py) echo "wharf: the console's pages go without scripts: no index"; exit {code} ;;
*wheels.py) mkdir -p "$3" && : >"$3/one.whl" ;;
esac
"""


@pytest.mark.parametrize("code", [0, 1])
def test_without_node(tmp_path: Path, code: int) -> None:
    """The last line warns of pages without scripts, and there is no such line otherwise."""
    shutil.copytree(SCRIPTS, tmp_path / "deploy/images")
    for name, text in (("docker", DOCKER), ("python", PYTHON.format(code=code))):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)
    done = subprocess.run(
        ["sh", str(tmp_path / "deploy/images/build.sh")],
        env={
            "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
            "PYTHON": str(tmp_path / "bin/python"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "images: wharf-gateway:dev has 1 MB" in done.stdout
    assert "images: wharf-images:dev has 1 MB" in done.stdout
    warnings = [line for line in done.stderr.splitlines() if "NO SCRIPTS" in line]
    assert len(warnings) == code
