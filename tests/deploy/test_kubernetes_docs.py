"""docs/kubernetes.md, and the overlay that an operator copies from this page."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from deploy.k8s.checks import rendering, schemas
from tests.deploy.cluster import Cluster, cluster, folders

PAGE = (rendering.ROOT / "docs/kubernetes.md").read_text()


@pytest.fixture(scope="module")
def mine() -> Cluster:
    """Render the overlay of docs/kubernetes.md, and return its manifests."""
    block = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert block
    folder = folders()["production"].parents[1] / "overlays/mine"
    folder.mkdir()
    (folder / "kustomization.yaml").write_text(textwrap.dedent(f"   {block[1].lstrip()}"))
    return Cluster(rendering.documents(rendering.kustomize().render(folder)))


def test_it_is_valid(mine: Cluster, tmp_path: Path) -> None:
    """The page's overlay is valid by the schemas."""
    assert schemas.faults(mine.manifests, tmp_path) == []


def test_what_it_changes(mine: Cluster) -> None:
    """The page's overlay changes images, addresses, storage, host and labels of the monitors."""
    images = {one["image"] for pod in mine.pods() for one in pod.containers()}
    names = ("auth", "console", "gateway", "images", "upload")
    assert images == {f"registry.example.com/team/wharf-{name}:1.0.0" for name in names}
    config = mine.generated("ConfigMap", "wharf-config")["data"]
    assert config["WHARF_ISSUER"] == "https://files.team.example/auth"
    assert config["WHARF_HOSTS"] == "files.team.example"
    assert config["WHARF_TRUSTED_PROXIES"] == "10.244.0.0/16"
    volume = mine.one("PersistentVolumeClaim", "wharf-data")["spec"]
    assert volume["storageClassName"] == "cephfs-fast"
    assert volume["resources"]["requests"]["storage"] == "2Ti"
    ingress = mine.one("Ingress", "wharf")["spec"]
    assert ingress["rules"][0]["host"] == ingress["tls"][0]["hosts"][0] == "files.team.example"
    for kind in ("ServiceMonitor", "PrometheusRule"):
        labels = [one["metadata"]["labels"] for one in mine.kind(kind)]
        assert labels
        assert {one["release"] for one in labels} == {"kube-prometheus-stack"}
        assert {one["app.kubernetes.io/name"] for one in labels} == {"wharf"}
    (generated,) = mine.kind("ConfigMap")
    for pod in mine.pods():
        for container in pod.containers():
            assert container["envFrom"][0]["configMapRef"]["name"] == generated["metadata"]["name"]


def test_files_that_it_names_exist() -> None:
    """Every path of this repository on the page exists, except paths that the operator makes."""
    made = {"deploy/k8s/overlays/mine", "deploy/k8s/overlays/mine/kustomization.yaml"}
    named = set(re.findall(r"\b(?:deploy/k8s|tests/deploy)/[\w./*-]*[\w*]", PAGE)) - made
    assert len(named) >= 4
    for name in named:
        assert list(rendering.ROOT.glob(name)), name


def test_numbers_of_the_pages_network() -> None:
    """The ports in the page's table are the ports of the network policies, except those of DNS and
    HTTPS.
    """
    table = PAGE.split("## The network")[1].split("##")[0]
    on_page = set(map(int, re.findall(r"\b\d{4}\b", table)))
    ports = {
        port["port"]
        for variant in ("production-complete", "object-store-complete")
        for policy in cluster(variant).kind("NetworkPolicy")
        for direction in ("ingress", "egress")
        for rule in policy["spec"].get(direction, ())
        for port in rule["ports"]
    }
    assert ports - {53, 443} == on_page
