"""Many small requests by wrk, a client that needs very little CPU time for a request."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 16
_SCRIPT = Path(__file__).with_name("small.lua")
_INSTALLER = Path(__file__).parents[2] / "deploy/native/apt_install.sh"


class WrkFailed(Exception):
    """wrk has failed, or the server refused requests."""


@dataclass(frozen=True)
class Result:
    """Requests a second, latencies in milliseconds, and the number of requests."""

    per_second: float
    p50: float
    p99: float
    requests: int


def ensure_wrk() -> None:
    """Install wrk as root if it is missing; for other users exit with a line that says how."""
    if shutil.which("wrk"):
        return
    if os.geteuid() != 0 or not os.access("/usr/bin/apt-get", os.X_OK):
        sys.exit("bench: wrk is missing; install it as root: apt-get install wrk")
    print("bench: installing wrk with apt-get", file=sys.stderr)
    subprocess.run(["/bin/sh", str(_INSTALLER), "wrk"], check=True, stdout=subprocess.DEVNULL)


@dataclass(frozen=True)
class Ask:
    """The request that wrk repeats.

    `named` is the place of a new name in each request: at the end of the `path`, in the `body`
    (between `body` and `after`), or nowhere.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: Path | None = None
    after: Path | None = None
    named: str = ""


def run(
    method: str, port: int, path: str, *, token: str, seconds: float, body: Path | None = None
) -> Result:
    """Measure GET of a path, or PUT of a body under new keys that begin with the path."""
    fields = {"Authorization": f"Bearer {token}"} if token else {}
    if body is None:
        return repeat(port, Ask(method, path, fields), seconds=seconds)
    fields["Content-Type"] = "image/jpeg"
    return repeat(port, Ask(method, path, fields, body, named="path"), seconds=seconds)


def repeat(port: int, ask: Ask, *, seconds: float) -> Result:
    """Repeat a request as fast as the server responds; raise `WrkFailed` for a refused request."""
    command = [
        *("wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--timeout", "30s"),
        *("--duration", f"{seconds:g}s", "--script", str(_SCRIPT), f"http://127.0.0.1:{port}"),
    ]
    environment = {
        **os.environ,
        "BENCH_METHOD": ask.method,
        "BENCH_PATH": ask.path,
        "BENCH_HEADERS": "\n".join(f"{name}: {value}" for name, value in ask.headers.items()),
        "BENCH_BODY": str(ask.body or ""),
        "BENCH_BODY_AFTER": str(ask.after or ""),
        "BENCH_NAMED": ask.named,
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not lines:
        raise WrkFailed(f"wrk failed: {done.stdout[-500:]}{done.stderr[-500:]}")
    found = json.loads(lines[-1].removeprefix("RESULT "))
    if found["refused"] or found["broken"]:
        raise WrkFailed(
            f"{ask.method} {ask.path}…: {found['refused']} requests were refused, "
            f"{found['broken']} broken"
        )
    requests, seconds_taken = found["requests"], found["microseconds"] / 1e6
    return Result(requests / seconds_taken, found["p50"] / 1e3, found["p99"] / 1e3, requests)
