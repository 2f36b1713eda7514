"""Many small requests, by wrk: it costs the machine least per request."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 16
_SCRIPT = Path(__file__).with_name("small.lua")
_INSTALLER = Path(__file__).parents[2] / "deploy/native/apt_install.sh"


class WrkFailed(Exception):
    """wrk did not end well, or requests were refused."""


@dataclass(frozen=True)
class Result:
    """Requests a second, and latencies in milliseconds."""

    per_second: float
    p50: float
    p99: float


def ensure_wrk() -> None:
    """Installs wrk as root; otherwise ends with the line that says how."""
    if shutil.which("wrk"):
        return
    if os.geteuid() != 0 or not os.access("/usr/bin/apt-get", os.X_OK):
        sys.exit("bench: wrk is missing; install it as root: apt-get install wrk")
    print("bench: installing wrk with apt-get", file=sys.stderr)
    subprocess.run(["/bin/sh", str(_INSTALLER), "wrk"], check=True, stdout=subprocess.DEVNULL)


def run(
    method: str, port: int, path: str, *, token: str, seconds: float, body: Path | None = None
) -> Result:
    """Sends as much as the server takes; `path` of PUT is the beginning of all keys."""
    command = [
        *("wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--timeout", "30s"),
        *("--duration", f"{seconds:g}s", "--script", str(_SCRIPT), f"http://127.0.0.1:{port}"),
    ]
    environment = {
        **os.environ,
        "BENCH_METHOD": method,
        "BENCH_PATH": path,
        "BENCH_TOKEN": token,
        "BENCH_BODY": str(body or ""),
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not lines:
        raise WrkFailed(f"wrk failed: {done.stdout[-500:]}{done.stderr[-500:]}")
    found = json.loads(lines[-1].removeprefix("RESULT "))
    if found["refused"] or found["broken"]:
        raise WrkFailed(
            f"{method} {path}…: {found['refused']} requests were refused, {found['broken']} broken"
        )
    seconds_taken = found["microseconds"] / 1e6
    return Result(found["requests"] / seconds_taken, found["p50"] / 1e3, found["p99"] / 1e3)
