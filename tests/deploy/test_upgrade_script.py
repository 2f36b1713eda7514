"""deploy/compose/upgrade.sh: the services that it replaces, and their order."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy/compose/upgrade.sh"
# A stand-in for an engine with Compose 2. It has healthy containers of the services in HERE, and
# writes the services that it starts to the file STARTED.
DOCKER = """#!/bin/sh
for last; do :; done
case "$*" in
*' ps '*--quiet) printf 'id-%s\\n' $HERE ;;
'inspect '*compose.service*)
    for word; do case $word in id-*) echo "${word#id-}" ;; esac; done ;;
*' ps '*--quiet*) case " $HERE " in *" $last "*) echo "id-$last" ;; esac ;;
*' up '*) echo "$last" >>"$STARTED" ;;
*' run '*) echo "$last" >>"$STARTED.once" ;;
'inspect '*) echo 'healthy 0' ;;
esac
"""
ONE = "auth upload gateway worker"
S3 = "auth store upload-s3 live-s3 images-s3 gateway-s3 worker-s3 console"
REST = "worker-1 jobs-1 auth console"
TWO = "auth upload-1 gateway-1 upload-2 gateway-2 worker-1 postgres redis balancer"


def upgraded(tmp_path: Path, here: str) -> Path:
    """Run the script on a stack of services; return the file with the services that it started."""
    (tmp_path / "deploy/compose").mkdir(parents=True)
    shutil.copy(SCRIPT, tmp_path / "deploy/compose")
    program = tmp_path / "bin/docker"
    program.parent.mkdir()
    program.write_text(DOCKER)
    program.chmod(0o755)
    noted = tmp_path / "started"
    done = subprocess.run(
        ["sh", str(tmp_path / "deploy/compose/upgrade.sh")],
        env={
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "HERE": here,
            "STARTED": str(noted),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return noted


@pytest.mark.parametrize(
    ("here", "started"),
    [
        (ONE, "upload live images gateway worker auth console"),
        (f"{ONE} live images console", "upload live images gateway worker auth console"),
        (S3, "upload-s3 live-s3 images-s3 gateway-s3 worker-s3 auth console"),
        (
            TWO,
            "upload-1 live-1 images-1 gateway-1 upload-2 live-2 images-2 gateway-2 " + REST,
        ),
    ],
    ids=["0.1.0", "single", "s3", "0.1.0-scale"],
)
def test_order(tmp_path: Path, here: str, started: str) -> None:
    """The script replaces each gateway after its upload services, and auth after all gateways.

    In an older stack the script also starts services that are new in the stack's profile.
    """
    assert upgraded(tmp_path, here).read_text().split() == started.split()


@pytest.mark.parametrize(
    ("here", "ran"),
    [(ONE, "auth-init upload-migrate"), (TWO, "auth-init secrets migrate")],
    ids=["single", "scale"],
)
def test_what_runs_once(tmp_path: Path, here: str, ran: str) -> None:
    """Before the migrations the script makes secrets that a new release needs."""
    noted = upgraded(tmp_path, here).with_name("started.once")
    assert noted.read_text().split() == ran.split()
