"""Availability during rollouts, evictions and autoscaling."""

from __future__ import annotations

import pytest

from deploy.k8s.checks.rendering import ROOT
from tests.deploy.cluster import WORKLOADS, cluster

PRODUCTION = "production-complete"
OBJECT_STORE = "object-store-complete"
# The variants with several replicas, and the least number of upload pods in each.
LEAST = {PRODUCTION: 2, OBJECT_STORE: 3}
VARIANTS = ("single-node-complete", *LEAST)


@pytest.mark.parametrize("variant", VARIANTS)
def test_selectors_match_templates(variant: str) -> None:
    """Every workload selects only its own pods."""
    found = cluster(variant)
    for one in found.serving():
        selected = found.selected(one["spec"]["selector"])
        assert [pod.name for pod in selected] == [one["metadata"]["name"]]


@pytest.mark.parametrize("variant", LEAST)
def test_two_of_each(variant: str) -> None:
    """Each service has at least two replicas, spread over nodes and zones.

    A StatefulSet has three, because its rollout stops a pod before it starts a new pod.
    """
    found = cluster(variant)
    scaler = found.one("HorizontalPodAutoscaler", "wharf-upload")
    assert scaler["spec"]["minReplicas"] == LEAST[variant]
    assert found.one("HorizontalPodAutoscaler", "wharf-jobs")["spec"]["minReplicas"] == 2
    for name in ("auth", "console"):
        assert found.one("Deployment", f"wharf-{name}")["spec"]["replicas"] == 2
    for name in ("auth", "console", "upload"):
        pod = found.pod(name)
        spread = pod.spec["topologySpreadConstraints"]
        assert {one["topologyKey"] for one in spread} == {
            "kubernetes.io/hostname",
            "topology.kubernetes.io/zone",
        }
        for one in spread:
            assert [mine.name for mine in found.selected(one["labelSelector"])] == [pod.name]
            revision = "controller-revision" if pod.kind == "StatefulSet" else "pod-template"
            assert one["matchLabelKeys"] == [f"{revision}-hash"]


@pytest.mark.parametrize("variant", LEAST)
def test_rollouts_in_production(variant: str) -> None:
    """A rollout of a Deployment starts a new pod before it stops an old pod."""
    stateful = {one["metadata"]["name"] for one in cluster(variant).kind("StatefulSet")}
    assert stateful == ({"wharf-upload"} if variant == OBJECT_STORE else set())
    for one in cluster(variant).kind("Deployment"):
        assert one["spec"]["strategy"] == {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
        }


def test_rollouts_on_one_node() -> None:
    """With SQLite each service has one pod, which a rollout stops before it starts the new pod."""
    for one in cluster("single-node-complete").kind("Deployment"):
        assert one["spec"]["strategy"] == {"type": "Recreate"}
        assert one["spec"]["replicas"] == 1


@pytest.mark.parametrize("variant", LEAST)
def test_the_autoscaler_has_the_say(variant: str) -> None:
    """Each autoscaler's target exists, sets no number of replicas, and requests CPU."""
    found = cluster(variant)
    scalers = found.kind("HorizontalPodAutoscaler")
    assert len(scalers) == 2
    for scaler in scalers:
        target = scaler["spec"]["scaleTargetRef"]
        deployment = found.one(target["kind"], target["name"])
        assert target["apiVersion"] == deployment["apiVersion"]
        assert "replicas" not in deployment["spec"]
        assert scaler["spec"]["maxReplicas"] > scaler["spec"]["minReplicas"]
        for container in deployment["spec"]["template"]["spec"]["containers"]:
            assert container["resources"]["requests"]["cpu"]


@pytest.mark.parametrize("variant", LEAST)
def test_jobs_are_scaled_by_their_age(variant: str) -> None:
    """The metric by which the pods of jobs are scaled is a documented metric of the worker."""
    scaler = cluster(variant).one("HorizontalPodAutoscaler", "wharf-jobs")
    (metric,) = scaler["spec"]["metrics"]
    name = metric["external"]["metric"]["name"]
    assert f"| `{name}` | gauge |" in (ROOT / "docs/metrics.md").read_text()
    assert f"max({name})" in (ROOT / "docs/kubernetes.md").read_text()


@pytest.mark.parametrize("variant", LEAST)
def test_budgets_allow_an_eviction(variant: str) -> None:
    """Each disruption budget allows the eviction of one pod, and keeps at least one other pod."""
    found = cluster(variant)
    least = {"wharf-auth": 2, "wharf-console": 2, "wharf-upload": LEAST[variant]}
    budgets = found.kind("PodDisruptionBudget")
    assert {one["metadata"]["name"] for one in budgets} == least.keys()
    for one in budgets:
        (pod,) = found.selected(one["spec"]["selector"])
        assert pod.name == one["metadata"]["name"]
        assert 0 < one["spec"]["maxUnavailable"] < least[pod.name]
    assert cluster("single-node-complete").kind("PodDisruptionBudget") == []


def test_volumes() -> None:
    """Replicas share a ReadWriteMany volume, and a single node needs only ReadWriteOnce."""
    shared = cluster(PRODUCTION).one("PersistentVolumeClaim", "wharf-data")
    assert shared["spec"]["accessModes"] == ["ReadWriteMany"]
    single = cluster("single-node-complete").kind("PersistentVolumeClaim")
    assert [one["metadata"]["name"] for one in single] == ["wharf-data"]
    assert single[0]["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_nothing_is_shared_beside_an_object_store() -> None:
    """With an object store each upload pod has a separate volume claim, and no pod uses a shared
    claim.
    """
    found = cluster(OBJECT_STORE)
    assert found.kind("PersistentVolumeClaim") == []
    (upload,) = found.kind("StatefulSet")
    (claim,) = upload["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    for container in ("gateway", "upload", "live"):
        mounted = found.pod("upload").container(container)["volumeMounts"]
        (name,) = [one["name"] for one in mounted if one["mountPath"] == "/data"]
        assert name == claim["metadata"]["name"]
    assert upload["spec"]["podManagementPolicy"] == "Parallel"
    for pod in found.pods():
        assert not [one for one in pod.spec["volumes"] if "persistentVolumeClaim" in one]


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_mounted_exists(variant: str) -> None:
    """Every claim, Secret and ConfigMap that a pod uses is in the manifests, except an optional
    ConfigMap with the certificate of the object store's authority.
    """
    found = cluster(variant)
    for pod in found.pods():
        for volume in pod.spec["volumes"]:
            if "persistentVolumeClaim" in volume:
                found.one("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
            if "secret" in volume:
                found.one("Secret", volume["secret"]["secretName"])
            if "configMap" in volume:
                # An operator makes it if a private authority signed the certificate of the store.
                assert volume["configMap"] == {"name": "wharf-blob-ca", "optional": True}
        names = {volume["name"] for volume in (*pod.spec["volumes"], *pod.claims)}
        for container in pod.containers():
            assert {mount["name"] for mount in container["volumeMounts"]} <= names
            for source in container.get("envFrom", ()):
                found.one("ConfigMap", source["configMapRef"]["name"])


@pytest.mark.parametrize("variant", VARIANTS)
def test_only_jobs_migrate(variant: str) -> None:
    """One Job for each database migrates its schema, and serving pods do not migrate."""
    found = cluster(variant)
    jobs = {one["metadata"]["name"]: one for one in found.kind("Job")}
    assert jobs.keys() == {"wharf-auth-migrate", "wharf-upload-migrate"}
    for one in jobs.values():
        spec = one["spec"]["template"]["spec"]
        words = [c["args"] for c in (*spec.get("initContainers", ()), *spec["containers"])]
        assert words[0] == ["migrate"]
        assert one["spec"]["backoffLimit"] > 0
        # An existing Job cannot be applied with the image of another release.
        assert one["spec"]["ttlSecondsAfterFinished"] <= 600
    for name in ("auth", "upload"):
        own = found.pod(name).container(name)["env"]
        assert {"name": "WHARF_SERVE_PREPARES", "value": "false"} in own


def test_the_worker() -> None:
    """With replicas the worker is a separate pod, and on one node it is a part of upload."""
    for variant in LEAST:
        upload = cluster(variant).pod("upload").container("upload")
        assert "WHARF_UPLOAD_WORKER" not in {one["name"] for one in upload["env"]}
        for name in ("worker", "jobs"):
            (container,) = cluster(variant).pod(name).containers()
            assert container["args"] == [name]
            assert {"name": "WHARF_JOBS_ENGINE", "value": "dramatiq"} in container["env"]
    single = cluster("single-node-complete")
    upload = single.pod("upload").container("upload")
    assert {"name": "WHARF_UPLOAD_WORKER", "value": "true"} in upload["env"]
    assert not [pod for pod in single.pods() if pod.component == "worker"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_kinds_are_known(variant: str) -> None:
    """These tests know every kind of workload in the manifests."""
    with_pods = [one for one in cluster(variant).manifests if "template" in one.get("spec", {})]
    assert {one["kind"] for one in with_pods} <= set(WORKLOADS)
