"""Runs docker-compose.yml as a person does, with the version of Compose on this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# A replacement for `docker compose` on a machine that has only Compose 1, which lacks --wait.
_SHIM = """
docker() {
    if [ "$1" != compose ]; then command docker "$@"; return; fi
    shift
    local words=()
    for word in "$@"; do [ "$word" = --wait ] || words+=("$word"); done
    command docker-compose "${words[@]}"
}
"""


def has_plugin() -> bool:
    """Tell whether `docker compose` is installed."""
    done = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    return done.returncode == 0


def has_program() -> bool:
    """Tell whether `docker-compose` is installed."""
    return shutil.which("docker-compose") is not None


def available() -> bool:
    """Tell whether any Compose is installed."""
    return has_plugin() or has_program()


class Project:
    """One stack of docker-compose.yml under a unique name.

    Args:
        name: the project name, which labels everything that the stack creates.
        settings: the variables of docker-compose.yml.
    """

    def __init__(self, name: str, settings: Mapping[str, str]) -> None:
        self.name = name
        self.settings = dict(settings)

    def shell(self, script: str, **more: str) -> str:
        """Run a script with a shell in the checkout, and return its output."""
        kept = {key: value for key, value in os.environ.items() if key[:6] != "WHARF_"}
        own = {"COMPOSE_PROJECT_NAME": self.name, **self.settings, **more}
        shim = "" if self._plugin else _SHIM
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", shim + script],
            env={**kept, **own},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    @cached_property
    def _plugin(self) -> bool:
        return has_plugin()

    def containers(self) -> dict[str, dict[str, Any]]:
        """Return the engine's data of each container of the stack, by service."""
        ids = docker("ps", "--all", "--quiet", "--filter", self._label).split()
        found = json.loads(docker("inspect", *ids)) if ids else []
        return {
            one["Config"]["Labels"]["com.docker.compose.service"]: one
            for one in found
            if one["Config"]["Labels"].get("com.docker.compose.oneoff") != "True"
        }

    def container(self, service: str) -> str:
        """Return the name of a service's container."""
        return str(self.containers()[service]["Name"]).lstrip("/")

    def is_healthy(self, service: str) -> bool:
        """Tell whether the engine reports the service as healthy."""
        label = f"label=com.docker.compose.service={service}"
        status = docker("ps", "--filter", self._label, "--filter", label, "--format", "{{.Status}}")
        return status.strip().endswith("(healthy)")

    def volumes(self) -> list[str]:
        """Return the names of the stack's volumes."""
        return docker("volume", "ls", "--quiet", "--filter", self._label).split()

    def networks(self) -> list[dict[str, Any]]:
        """Return the engine's data of the stack's networks."""
        ids = docker("network", "ls", "--quiet", "--filter", self._label).split()
        found: list[dict[str, Any]] = json.loads(docker("network", "inspect", *ids)) if ids else []
        return found

    def remove(self) -> None:
        """Remove all containers, volumes and networks of the stack, in any state."""
        ids = docker("ps", "--all", "--quiet", "--filter", self._label).split()
        for command, found in (
            (("rm", "--force", "--volumes"), ids),
            (("volume", "rm", "--force"), self.volumes()),
            (("network", "rm"), [network["Id"] for network in self.networks()]),
        ):
            if found:
                docker(*command, *found)

    def logs(self) -> str:
        """Return the last log lines of every container, for a failed test."""
        return "\n".join(
            f"---- {service}: {one['State']['Status']}\n{tail(one['Id'])}"
            for service, one in sorted(self.containers().items())
        )

    @property
    def _label(self) -> str:
        return f"label=com.docker.compose.project={self.name}"


def docker(*words: str) -> str:
    """Run the engine's client, check that it succeeds, and return its output."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {' '.join(words)}: {done.stderr}"
    return done.stdout


def tail(container: str, lines: int = 20) -> str:
    """Return the last lines that a container has written."""
    done = subprocess.run(
        ["docker", "logs", "--tail", str(lines), container],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout
