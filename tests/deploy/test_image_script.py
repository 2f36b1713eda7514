"""`make images`: the images that it builds, and its warning if Node is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "deploy/images"
# Stand-ins for an engine that has every image, and for a Python that fetches no wheel.
DOCKER = "#!/bin/sh\necho 1000000\n"
PYTHON = """#!/bin/sh
case $1 in
*build_assets.py) echo "wharf: the console's pages go without scripts: no index"; exit {code} ;;
*wheels.py) mkdir -p "$3" && : >"$3/one.whl" ;;
esac
"""


def make_images(scratch: Path, code: int = 0, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `make images` while the build of the scripts ends with this code; return the result."""
    shutil.copytree(SCRIPTS, scratch / "deploy/images")
    for name, text in (("docker", DOCKER), ("python", PYTHON.format(code=code))):
        program = scratch / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)
    done = subprocess.run(
        ["sh", str(scratch / "deploy/images/build.sh")],
        env={
            "PATH": f"{scratch}/bin:{os.environ['PATH']}",
            "PYTHON": str(scratch / "bin/python"),
            **settings,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.parametrize("code", [0, 1])
def test_without_node(tmp_path: Path, code: int) -> None:
    """`make images` warns of pages without scripts only if the build of the scripts fails."""
    done = make_images(tmp_path, code)
    assert "images: wharf-gateway:dev has 1 MB" in done.stdout
    assert "images: wharf-images:dev has 1 MB" in done.stdout
    warnings = [line for line in done.stderr.splitlines() if "NO SCRIPTS" in line]
    assert len(warnings) == code


@pytest.mark.parametrize("wanted", ["", "yes"])
def test_the_store_for_trying(tmp_path: Path, wanted: str) -> None:
    """`make images` builds the image of an object store only on request."""
    done = make_images(tmp_path, STORE=wanted)
    assert ("images: wharf-store:dev has 1 MB" in done.stdout) == bool(wanted)
