"""A shell in the checkout, in which an operator types the commands of the docs."""

from __future__ import annotations

import os
import subprocess

from tests.servers.wharf.instance import ROOT, Wharf


def run(wharf: Wharf, script: str, **more: str) -> str:
    """Run a script with bash in the checkout and return its output. Fail when a command fails.

    `more` are further variables of the script's environment.
    """
    kept = {name: value for name, value in os.environ.items() if name[:6] != "WHARF_"}
    own = {"WHARF": wharf.url, "WHARF_DATA": str(wharf.data), "WHARF_ISSUER": f"{wharf.url}/auth"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={**kept, **own, **more},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
