"""Finds pods, policies and services in rendered manifests by their labels."""

from __future__ import annotations

import atexit
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from deploy.k8s.checks import rendering
from deploy.k8s.checks.rendering import Manifest

NAMESPACE = "wharf"
SERVING = ("Deployment", "StatefulSet")
WORKLOADS = (*SERVING, "Job")


@cache
def folders() -> Mapping[str, Path]:
    """Return the folder of each variant, in a copy of deploy/k8s that is deleted at exit."""
    scratch = tempfile.TemporaryDirectory(prefix="wharf-k8s-")
    atexit.register(scratch.cleanup)
    return rendering.lay_out(Path(scratch.name) / "k8s")


@cache
def rendered(variant: str) -> str:
    """Return the YAML of a variant."""
    return rendering.kustomize().render(folders()[variant])


@cache
def cluster(variant: str) -> Cluster:
    """Return the manifests of a variant."""
    return Cluster(rendering.documents(rendered(variant)))


@dataclass(frozen=True)
class Pod:
    """The pods that one workload creates."""

    name: str
    kind: str
    labels: Mapping[str, str]
    spec: Mapping[str, Any]
    #: The volume claims that a StatefulSet makes separately for each of its pods: the spec of each
    #: claim, with its name.
    claims: tuple[Mapping[str, Any], ...] = ()

    @property
    def component(self) -> str:
        return self.labels["app.kubernetes.io/component"]

    def containers(self) -> list[Mapping[str, Any]]:
        """Return all containers, including the init containers."""
        return [*self.spec.get("initContainers", ()), *self.spec["containers"]]

    def container(self, name: str) -> Mapping[str, Any]:
        (found,) = [one for one in self.containers() if one["name"] == name]
        return found

    def ports(self) -> dict[str, int]:
        """Return the numbers of the ports by name."""
        found = (port for one in self.containers() for port in one.get("ports", ()))
        return {port["name"]: port["containerPort"] for port in found}


class Cluster:
    """Rendered manifests, with queries for the tests."""

    def __init__(self, manifests: list[Manifest]) -> None:
        self.manifests = manifests

    def kind(self, kind: str) -> list[Manifest]:
        return [one for one in self.manifests if one["kind"] == kind]

    def one(self, kind: str, name: str) -> Manifest:
        (found,) = [one for one in self.kind(kind) if one["metadata"]["name"] == name]
        return found

    def generated(self, kind: str, name: str) -> Manifest:
        """Return a ConfigMap or Secret by its name without the hash that kustomize appends."""
        (found,) = [
            one for one in self.kind(kind) if one["metadata"]["name"].rsplit("-", 1)[0] == name
        ]
        return found

    def workloads(self) -> list[Manifest]:
        return [one for one in self.manifests if one["kind"] in WORKLOADS]

    def serving(self) -> list[Manifest]:
        """Return the workloads whose pods run until they are stopped."""
        return [one for one in self.manifests if one["kind"] in SERVING]

    def pods(self) -> list[Pod]:
        return [
            Pod(
                one["metadata"]["name"],
                one["kind"],
                one["spec"]["template"]["metadata"]["labels"],
                one["spec"]["template"]["spec"],
                tuple(
                    {"name": claim["metadata"]["name"], **claim["spec"]}
                    for claim in one["spec"].get("volumeClaimTemplates", ())
                ),
            )
            for one in self.workloads()
        ]

    def pod(self, component: str) -> Pod:
        (found,) = [pod for pod in self.pods() if pod.component == component]
        return found

    def selected(self, selector: Mapping[str, Any]) -> list[Pod]:
        return [pod for pod in self.pods() if matches(selector, pod.labels)]

    def rules(self, pod: Pod, direction: str) -> Iterator[Mapping[str, Any]]:
        """Yield the ingress or egress rules that apply to a pod."""
        for policy in self.kind("NetworkPolicy"):
            spec = policy["spec"]
            if direction in spec["policyTypes"] and matches(spec["podSelector"], pod.labels):
                yield from spec.get(direction.lower(), ())

    def closed(self, pod: Pod, direction: str) -> bool:
        """Tell whether a policy isolates the pod, so that only allowed traffic passes."""
        return any(
            direction in policy["spec"]["policyTypes"]
            and matches(policy["spec"]["podSelector"], pod.labels)
            for policy in self.kind("NetworkPolicy")
        )

    def may_enter(self, pod: Pod, port: int) -> list[Mapping[str, Any]]:
        """Return the peers that may reach a TCP port of a pod; an empty peer means every peer."""
        return _peers(self.rules(pod, "Ingress"), port, "from")

    def may_leave(self, pod: Pod, port: int) -> list[Mapping[str, Any]]:
        """Return the peers at which a pod may reach this TCP port."""
        return _peers(self.rules(pod, "Egress"), port, "to")


def _peers(rules: Iterator[Mapping[str, Any]], port: int, side: str) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for rule in rules:
        named = rule.get("ports")
        if named is None or any(
            one["port"] == port and one.get("protocol", "TCP") == "TCP" for one in named
        ):
            found += rule.get(side) or [{}]
    return found


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Tell whether a label selector selects these labels; an empty selector selects all labels."""
    wanted = selector.get("matchLabels", {})
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_holds(one, labels) for one in selector.get("matchExpressions", ()))


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    if expression["operator"] == "In":
        return value in expression["values"]
    raise NotImplementedError(expression["operator"])
