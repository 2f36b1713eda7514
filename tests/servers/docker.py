"""A Docker engine: the one of this machine, or a separate one of the tests."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.servers.needs import lacking, needed

# `_TURN_SECONDS` is shorter than the timeout of a test, so that the message of `_only_engine` is
# shown.
_START_SECONDS, _TURN_SECONDS = 60, 240
_CGROUPS = Path("/sys/fs/cgroup")


class Engine:
    """The engine that responds to `docker` in this environment."""

    def __call__(self, *words: str, seconds: float = 120, **options: Any) -> str:
        """Run a command and return its standard output. If the command fails, an assertion
        shows all its output.
        """
        done = self.try_out(*words, seconds=seconds, **options)
        assert done.returncode == 0, f"docker {' '.join(words)}:\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    @staticmethod
    def try_out(
        *words: str, seconds: float = 120, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command and return its outcome, even a failure."""
        return subprocess.run(
            ["docker", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
            **options,
        )

    def inspect(self, name: str) -> dict[str, Any]:
        """Return all facts of the engine about a container or an image."""
        (found,) = json.loads(self("inspect", name))
        return dict(found)

    def output(self, container: str, *, of_last_start: bool = False) -> str:
        """Return the output of a container, since its creation or since its last start."""
        since = self.inspect(container)["State"]["StartedAt"] if of_last_start else "0"
        done = self.try_out("logs", "--since", since, container)
        return done.stdout + done.stderr

    def remove(self, kind: str, names: Sequence[str]) -> None:
        """Remove existing containers, volumes, networks or images."""
        commands = {
            "container": ("rm", "--force", "--volumes"),
            "volume": ("volume", "rm", "--force"),
            "network": ("network", "rm"),
            "image": ("image", "rm", "--force"),
        }
        for name in names:
            self.try_out(*commands[kind], name)


def _answers() -> bool:
    return Engine.try_out("info").returncode == 0


@contextmanager
def _cgroups() -> Iterator[None]:
    """Mount control groups (cgroups(7), version 2) if no program has mounted them. On
    most machines systemd has mounted them.
    """
    if os.path.ismount(_CGROUPS):
        yield
        return
    subprocess.run(["mount", "-t", "cgroup2", "cgroup2", str(_CGROUPS)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(_CGROUPS)], check=False)


@contextmanager
def _daemon(folder: Path) -> Iterator[None]:
    """Run a separate daemon, and let `docker` in this process use it."""
    address = f"unix://{folder}/docker.sock"
    places = (f"--data-root={folder}/data", f"--exec-root={folder}/exec")
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["dockerd", *places, f"--pidfile={folder}/pid", f"--host={address}"],
            stdout=output,
            stderr=output,
        )
    os.environ["DOCKER_HOST"] = address
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _answers():
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"dockerd does not start:\n{log.read_text()[-4000:]}")
            time.sleep(0.2)
        yield
    finally:
        del os.environ["DOCKER_HOST"]
        process.terminate()
        process.wait(60)


@contextmanager
def engine() -> Iterator[Engine]:
    """Yield the engine of this machine, or start one and remove it afterwards."""
    needed("docker")
    if _answers():
        yield Engine()
        return
    if os.geteuid():
        lacking("no Docker engine answers, and to start one needs root")
    needed("dockerd")
    # Paths of sockets must be short, and layers of an overlay must not be on a tmpfs.
    folder = Path(tempfile.mkdtemp(prefix="wharf-docker-", dir="/var/tmp"))
    try:
        with _only_engine(), _cgroups(), _daemon(folder):
            yield Engine()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _only_engine() -> Iterator[None]:
    """Wait until no other pytest runs its own engine, and hold a lock during the block, because two
    engines would share a bridge and the packet filter.

    The lock is an abstract socket. Its name belongs to the network namespace, as the bridge and the
    filter do.
    """
    deadline = time.monotonic() + _TURN_SECONDS
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as turn:
        while True:
            with suppress(OSError):
                turn.bind("\0wharf-test-engine")
                break
            assert time.monotonic() < deadline, "another pytest keeps its Docker engine for long"
            time.sleep(1)
        yield
