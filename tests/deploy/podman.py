"""Runs rendered manifests with `podman kube play`: a real engine, without a cluster.

This module replaces the features of manifests that podman 4.3 (Debian 12) lacks, and nothing else:

- Jobs: this module runs them as pods that run once.
- Services: this module writes their names into the hosts files of the pods that use them.
- `subPath`: podman ignores it and would mix separate folders, so each one becomes a claim.
- Ports: podman publishes them on the host, where they may be in use; tests reach pods directly.
- Probes: podman needs curl in the image and systemd on the host; the tests send the same requests.
- Secrets: podman makes their files readable for all users, and auth refuses such keys. This module
  creates them as the kubelet does with `defaultMode: 0440` and `fsGroup`: owned by root, readable
  for the group.
- NetworkPolicies, budgets, autoscalers: nothing here could enforce them.

podman 5 (Debian 13) runs the same files, but gives the pods other names. It lets only root write to
an `emptyDir` in memory, where the kubelet lets all users write, so each `emptyDir` is on the disk.
"""

from __future__ import annotations

import base64
import copy
import json
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from deploy.k8s.checks.rendering import Manifest
from tests.deploy.cluster import Cluster

_PROBES = ("startupProbe", "readinessProbe", "livenessProbe", "lifecycle")
# crun of Debian 12 refuses hosts that have cgroups of both versions; runc accepts them.
_CONFIGURATION = """
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
[engine]
runtime = "{runtime}"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
# nft is the default of version 5. Docker's iptables rules drop traffic that only nft allows.
_FIREWALL = """
[network]
firewall_driver = "iptables"
"""


class Podman:
    """A podman engine with separate storage. The machine's own storage stays unchanged."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._storage = (
            *("--root", str(scratch / "storage"), "--runroot", str(scratch / "run")),
            *("--tmpdir", str(scratch / "tmp"), "--network-config-dir", str(scratch / "networks")),
        )
        configuration = scratch / "containers.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                files=_limit(resource.RLIMIT_NOFILE, 65536),
                processes=_limit(resource.RLIMIT_NPROC, 4096),
                runtime="runc" if shutil.which("runc") else "crun",
            )
            + (_FIREWALL if _version() >= 5 else "")
        )
        self._environment = {**os.environ, "CONTAINERS_CONF": str(configuration)}
        self._played = 0

    def call(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["podman", *self._storage, *words],
            env=self._environment,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"podman {' '.join(words)}: {done.stdout}{done.stderr}")
        return done

    def take_images(self, names: Mapping[str, str]) -> None:
        """Copy images from Docker's store; `names` maps names in podman to names in Docker.

        One archive contains all images, because they share layers.
        """
        file = self._scratch / "images.tar"
        subprocess.run(["docker", "save", "--output", str(file), *names.values()], check=True)
        self.call("load", "--quiet", "--input", str(file))
        file.unlink()
        for name, of_docker in names.items():
            self.call("tag", of_docker, name)

    def play(self, manifests: list[Manifest]) -> None:
        self._played += 1
        file = self._scratch / f"played-{self._played}.yaml"
        file.write_text(yaml.safe_dump_all(manifests, sort_keys=False))
        self.call("kube", "play", "--log-driver", "k8s-file", str(file))

    def lay_out_secret(self, name: str, files: Mapping[str, bytes], group: int) -> None:
        """Create a volume like the kubelet's: links to files of root that one group may read."""
        self.call("volume", "create", name)
        place = Path(json.loads(self.call("volume", "inspect", name).stdout)[0]["Mountpoint"])
        version = place / "..2026_11_20"
        version.mkdir()
        for key, value in files.items():
            file = version / key
            file.write_bytes(value)
            os.chown(file, 0, group)
            file.chmod(0o440)
            (place / key).symlink_to(f"..data/{key}")
        (place / "..data").symlink_to(version.name)
        for folder in (version, place):
            os.chown(folder, 0, group)
            folder.chmod(0o3777 if folder is place else 0o2755)

    def address(self, container: str) -> str:
        """Return the address of the pod that contains a container."""
        pod = self._inspect(container)["Pod"]
        infra = self.call("pod", "inspect", "--format", "{{.InfraContainerID}}", pod).stdout.strip()
        networks = self._inspect(infra)["NetworkSettings"]["Networks"]
        return str(next(iter(networks.values()))["IPAddress"])

    def enter_host(self, container: str, host: str, address: str) -> None:
        """Add a Service to the hosts file of a running pod, in place of an older address."""
        file = Path(self._inspect(container)["HostsPath"])
        lines = [line for line in file.read_text().splitlines() if host not in line.split()]
        # The file is mounted, so the test writes into this file and does not replace it.
        file.write_text("\n".join([*lines, f"{address} {host}", ""]))

    def wait(self, container: str) -> int:
        """Wait until a container has ended, and return its exit code."""
        return int(self.call("wait", container).stdout)

    def logs(self, container: str) -> str:
        done = self.call("logs", container, check=False)
        return done.stdout + done.stderr

    def all_logs(self) -> str:
        names = self.call("ps", "--all", "--format", "{{.Names}}").stdout.split()
        return "\n".join(f"== {name}\n{self.logs(name)}" for name in names)

    def execute(self, container: str, *words: str) -> str:
        return self.call("exec", container, *words).stdout

    def remove_all(self) -> None:
        """Remove all pods and volumes; images stay."""
        self.call("pod", "rm", "--all", "--force", "--time", "0")
        self.call("volume", "rm", "--all", "--force")

    def take_down(self) -> None:
        """Remove all pods and mounts; images and volumes are files below the scratch folder."""
        self.call("pod", "rm", "--all", "--force", "--time", "0", check=False)
        # podman has created this bridge.
        self.call("network", "rm", "podman-default-kube-network", check=False)
        # podman mounts its storage, and keeps the mount until the machine stops.
        overlay = self._scratch / "storage/overlay"
        if overlay.is_mount():
            subprocess.run(["umount", str(overlay)], check=True)

    def _inspect(self, container: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads(self.call("inspect", container).stdout)[0]
        return found


@cache
def _version() -> int:
    """Return the major version of podman, or 0 if there is none."""
    if shutil.which("podman") is None:
        return 0
    done = subprocess.run(["podman", "--version"], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1].partition(".")[0])


def pod_of(deployment: str) -> str:
    """Return the name of a Deployment's pod, which has a number before podman 5."""
    return f"{deployment}-pod" if _version() >= 5 else f"{deployment}-pod-0"


def _limit(kind: int, enough: int) -> int:
    """Return `enough`, or this process's hard limit if the hard limit is lower."""
    hard = resource.getrlimit(kind)[1]
    return enough if hard == resource.RLIM_INFINITY else min(hard, enough)


def _pods(manifests: list[Manifest]) -> Iterator[dict[str, Any]]:
    for one in manifests:
        if "template" in one.get("spec", {}):
            yield one["spec"]["template"]["spec"]


def _split_claims(spec: dict[str, Any]) -> Iterator[str]:
    """Replace each claim of the pod by one claim for each subPath, and yield the names of the new
    claims.
    """
    claims = {
        one["name"]: one["persistentVolumeClaim"]["claimName"]
        for one in spec["volumes"]
        if "persistentVolumeClaim" in one
    }
    spec["volumes"] = [one for one in spec["volumes"] if one["name"] not in claims]
    made = {}
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        for mount in container["volumeMounts"]:
            if mount["name"] in claims:
                part = mount.pop("subPath", "whole")
                name = f"{claims[mount['name']]}-{part}"
                mount["name"] = made[name] = f"{mount['name']}-{part}"
    for claim, volume in made.items():
        spec["volumes"].append({"name": volume, "persistentVolumeClaim": {"claimName": claim}})
        yield claim


class Playable:
    """A cluster's manifests, with only the changes that podman needs."""

    def __init__(self, cluster: Cluster) -> None:
        manifests = copy.deepcopy(cluster.manifests)
        claims: set[str] = set()
        for spec in _pods(manifests):
            claims |= set(_split_claims(spec))
            for volume in spec["volumes"]:
                if "emptyDir" in volume:
                    volume["emptyDir"].pop("medium", None)
                if "secret" in volume:
                    name = volume.pop("secret")["secretName"]
                    volume["persistentVolumeClaim"] = {"claimName": name}
            for container in (*spec.get("initContainers", ()), *spec["containers"]):
                container.pop("ports", None)
                container["imagePullPolicy"] = "Never"
                container["image"] = f"localhost/{container['image']}"
                for name in _PROBES:
                    container.pop(name, None)
        template = next(one for one in manifests if one["kind"] == "PersistentVolumeClaim")
        self.claims = [{**template, "metadata": {"name": name}} for name in sorted(claims)]
        self.secrets = {
            one["metadata"]["name"]: {
                key: base64.b64decode(value) for key, value in one["data"].items()
            }
            for one in manifests
            if one["kind"] == "Secret"
        }
        self.config = [one for one in manifests if one["kind"] == "ConfigMap"]
        self._manifests = manifests

    def job(self, name: str) -> Manifest:
        """Return a Job as a pod; its last container is called `<job>-<container>`."""
        (found,) = [
            one
            for one in self._manifests
            if one["kind"] == "Job" and one["metadata"]["name"] == name
        ]
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": found["metadata"]["labels"]},
            "spec": found["spec"]["template"]["spec"],
        }

    def deployment(self, name: str, hosts: Mapping[str, str]) -> Manifest:
        """Return a Deployment whose pods know the addresses of these Services."""
        (found,) = [
            one
            for one in self._manifests
            if one["kind"] == "Deployment" and one["metadata"]["name"] == name
        ]
        found["spec"]["template"]["spec"]["hostAliases"] = [
            {"ip": address, "hostnames": [host]} for host, address in hosts.items()
        ]
        return found
