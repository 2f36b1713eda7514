"""The manifests of deploy/k8s: they render, match the schemas, and are equal in each kustomize."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import yaml

from deploy.k8s.checks import __main__ as command
from deploy.k8s.checks import rendering, scanning, schemas
from tests.deploy.cluster import NAMESPACE, cluster, folders, rendered

VARIANTS = tuple(rendering.VARIANTS)
COMPLETE = ("single-node-complete", "production-complete", "object-store-complete")
# Kinds that belong to no namespace.
CLUSTER_WIDE = {"Namespace"}


def test_schemas(tmp_path: Path) -> None:
    """Every manifest is valid by the schemas of two Kubernetes versions."""
    # These variants contain all others. One run checks all manifests, because the start takes most
    # of the time.
    manifests = [one for variant in COMPLETE for one in cluster(variant).manifests]
    assert schemas.faults(manifests, tmp_path) == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_namespace(variant: str) -> None:
    """Everything is in a namespace that refuses pods which are not restricted."""
    found = cluster(variant)
    (namespace,) = found.kind("Namespace")
    assert namespace["metadata"]["name"] == NAMESPACE
    for mode in ("enforce", "audit", "warn"):
        label = f"pod-security.kubernetes.io/{mode}"
        assert namespace["metadata"]["labels"][label] == "restricted"
    for one in found.manifests:
        if one["kind"] not in CLUSTER_WIDE:
            assert one["metadata"]["namespace"] == NAMESPACE, one["metadata"]["name"]


def test_names_are_unique() -> None:
    """No two manifests of a variant have the same kind and name."""
    for variant in VARIANTS:
        names = [(one["kind"], one["metadata"]["name"]) for one in cluster(variant).manifests]
        assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "wrong",
    [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"porst": []}},
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "ServiceMonitor",
            "metadata": {"name": "x"},
            "spec": {"selector": {"matchLabels": {}}, "endpoints": [{"port": 80, "path": "/m"}]},
        },
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PodMonitor",
            "metadata": {"name": "x"},
            "spec": {},
        },
    ],
)
def test_schemas_find_faults(wrong: rendering.Manifest, tmp_path: Path) -> None:
    """The schemas find a misspelt field, a field of a wrong type, and an unknown kind."""
    assert schemas.faults([wrong], tmp_path)


def test_every_kustomize_renders_the_same() -> None:
    """kubectl and kustomize on this machine, and the kustomize library, render the same manifests.

    A missing kubectl or kustomize is skipped, but the library must exist.
    """
    ways = rendering.ways()
    assert rendering.library() in ways
    for variant, folder in folders().items():
        expected = rendering.documents(rendered(variant))
        for way in ways:
            assert rendering.documents(way.render(folder)) == expected, way.name


def test_an_old_kubectl_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests skip a kubectl with kustomize 2, like Debian's, which does not know components."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text('#!/bin/sh\necho \'{"clientVersion": {}, "kustomizeVersion": "v2.0.3"}\'\n')
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert rendering.ways() == [rendering.library()]
    kubectl.write_text('#!/bin/sh\necho \'{"clientVersion": {}, "kustomizeVersion": "v5.4.2"}\'\n')
    assert rendering.kustomize().command == (str(kubectl), "kustomize")


def test_what_kustomize_refuses_is_told(tmp_path: Path) -> None:
    """A kustomization with a missing file fails with the file's name."""
    (tmp_path / "kustomization.yaml").write_text("resources: [nothing.yaml]\n")
    for way in rendering.ways():
        with pytest.raises(rendering.RenderingError, match=r"nothing\.yaml"):
            way.render(tmp_path)


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> scanning.Scan:
    """Run checkov once on all complete variants and on a privileged container."""
    folder = tmp_path_factory.mktemp("scanned")
    container = {"name": "c", "image": "i", "securityContext": {"privileged": True}}
    bad = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "bad"},
        "spec": {"containers": [container]},
    }
    texts = {"bad": yaml.safe_dump(bad), **{variant: rendered(variant) for variant in COMPLETE}}
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    return scanning.scan(*folder.iterdir())


def test_scan(scan: scanning.Scan) -> None:
    """The manifests pass checkov's rules for Kubernetes, and each exception has a reason."""
    assert [line for line in scan.findings if " Pod.default.bad: " not in line] == []
    assert scan.passed > 300 * len(COMPLETE)
    annotations = [
        text
        for variant in COMPLETE
        for one in cluster(variant).manifests
        for name, text in one["metadata"].get("annotations", {}).items()
        if name.startswith("checkov.io/skip")
    ]
    assert len(scan.exceptions) == len(annotations)
    for text in annotations:
        rule, _, reason = text.partition("=")
        assert rule.startswith("CKV_K8S_")
        assert len(reason.split()) > 5


def test_scan_finds_faults(scan: scanning.Scan) -> None:
    """checkov finds a privileged container."""
    assert any(line.startswith("CKV_K8S_16 Pod.default.bad") for line in scan.findings)


def test_no_secret_is_committed() -> None:
    """Git ignores the folders of secrets, and no other folder contains secrets."""
    ignored = (rendering.ROOT / ".gitignore").read_text().splitlines()
    assert "/deploy/k8s/overlays/*/secrets/" in ignored
    overlays = rendering.ROOT / "deploy/k8s/overlays"
    for file in (rendering.ROOT / "deploy/k8s").rglob("*"):
        if file.suffix == ".pem" or file.name in {"credentials.json", "blob-keys"}:
            assert file.parent.name == "secrets"
            assert file.parents[2] == overlays


def test_secrets_of_the_rendered_copy_are_private() -> None:
    """Only the owner of the files that secrets.sh writes can read them."""
    secrets = folders()["production"].parents[1] / "overlays/production/secrets"
    assert stat.S_IMODE(os.stat(secrets).st_mode) == 0o700
    for name in os.listdir(secrets):
        assert stat.S_IMODE(os.stat(secrets / name).st_mode) == 0o600, name


def test_make_k8s_fails_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`make k8s` counts the errors by variant. Without kustomize it prints what to install."""
    monkeypatch.setattr(scanning, "scan", lambda _: scanning.Scan(["a finding"], 0, []))
    wrong = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"porst": 1}}
    assert command.check("odd", yaml.safe_dump(wrong), tmp_path) > 1
    said = capsys.readouterr().out
    assert "k8s: odd: a finding\n" in said
    assert "porst" in said
    monkeypatch.setattr(rendering, "ways", list)
    assert command.main() == 1
    assert "install kubectl" in capsys.readouterr().err
