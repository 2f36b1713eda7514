"""The rights, resources, mounts and probes of every pod of deploy/k8s."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from deploy.k8s.checks.rendering import ROOT
from tests.deploy.cluster import SERVING as KINDS
from tests.deploy.cluster import Pod, cluster

VARIANTS = ("single-node-complete", "production-complete", "object-store-complete")
PODS = [(variant, pod.name) for variant in VARIANTS for pod in cluster(variant).pods()]
SERVING = [
    (variant, pod.name)
    for variant in VARIANTS
    for pod in cluster(variant).pods()
    if pod.kind in KINDS
]
# Volumes that a "restricted" namespace allows.
VOLUMES = {"configMap", "downwardAPI", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
NAMES = {"auth", "console", "gateway", "images", "upload"}
# How long a pod may wait at its end at most, in seconds; docs/kubernetes.md explains the sums.
DRAIN_SECONDS = {"auth": 5 + 30, "console": 5 + 30, "upload": 5 + 30 + 35}
DRAIN_SECONDS |= {"worker": 5 + 10, "jobs": 10 + 5}


def pod_of(variant: str, name: str) -> Pod:
    (found,) = [pod for pod in cluster(variant).pods() if pod.name == name]
    return found


def environment(variant: str, container: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables by name, from the ConfigMaps and from the container."""
    found: dict[str, Any] = {}
    for source in container.get("envFrom", ()):
        name = source["configMapRef"]["name"]
        found |= cluster(variant).one("ConfigMap", name)["data"]
    return found | {one["name"]: one.get("value", one) for one in container.get("env", ())}


@pytest.mark.parametrize(("variant", "name"), PODS)
def test_restricted(variant: str, name: str) -> None:
    """No container can be root, gain a capability, write to its root or make unusual
    system calls.
    """
    pod = pod_of(variant, name)
    assert pod.spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "fsGroup": 10001,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for container in pod.containers():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, container["name"]
        assert not any("hostPort" in port for port in container.get("ports", ()))
    for word in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"):
        assert word not in pod.spec
    for volume in pod.spec["volumes"]:
        assert VOLUMES.issuperset(volume.keys() - {"name"}), volume["name"]


@pytest.mark.parametrize(("variant", "name"), PODS)
def test_no_token_and_no_links(variant: str, name: str) -> None:
    """No pod has a Kubernetes token, or variables that Kubernetes makes of Services.

    These variables could look like settings.
    """
    pod = pod_of(variant, name)
    assert pod.spec["automountServiceAccountToken"] is False
    # A Service called wharf would set WHARF_PORT=tcp://10.0.0.1:80.
    assert pod.spec["enableServiceLinks"] is False
    account = cluster(variant).one("ServiceAccount", pod.spec["serviceAccountName"])
    assert account["automountServiceAccountToken"] is False


@pytest.mark.parametrize(("variant", "name"), PODS)
def test_images_have_a_tag(variant: str, name: str) -> None:
    """Every image has a tag that an operator sets, and none has the tag `latest`."""
    for container in pod_of(variant, name).containers():
        image, _, tag = container["image"].partition(":")
        assert image.removeprefix("wharf-") in NAMES
        assert tag
        assert tag != "latest"


@pytest.mark.parametrize(("variant", "name"), PODS)
def test_resources(variant: str, name: str) -> None:
    """Every container requests CPU and memory, and has a memory limit."""
    for container in pod_of(variant, name).containers():
        resources = container["resources"]
        assert resources["requests"].keys() == {"cpu", "memory"}
        assert resources["limits"].keys() == {"memory"}


@pytest.mark.parametrize(("variant", "name"), SERVING)
def test_probes(variant: str, name: str) -> None:
    """Every container has three probes on its own ports; liveness depends on no other service."""
    for container in pod_of(variant, name).spec["containers"]:
        ports = {port["name"] for port in container["ports"]}
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            probe = container[kind]
            ask = probe.get("httpGet") or probe["tcpSocket"]
            assert ask["port"] in ports
        liveness = container["livenessProbe"]
        assert liveness.get("httpGet", {}).get("path", "/healthz") == "/healthz"
        assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 60


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("component", "started", "ready"),
    [
        ("auth", "/readyz", "/readyz?exclude=database"),
        ("upload", "/readyz?exclude=room", "/readyz?exclude=database&exclude=room"),
    ],
)
def test_a_database_that_is_away(variant: str, component: str, started: str, ready: str) -> None:
    """A rollout waits for database and schema, but a serving pod stays ready without its database.

    When the disk is full, Wharf refuses uploads and the pod stays ready.
    """
    container = cluster(variant).pod(component).container(component)
    startup, readiness = container["startupProbe"], container["readinessProbe"]
    assert startup["httpGet"]["path"] == started
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 3600
    assert readiness["httpGet"]["path"] == ready


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", ["live", "images"])
def test_a_pod_serves_without_its_extras(variant: str, name: str) -> None:
    """A pod stays ready while its live channel and image process respond, even if unready."""
    container = cluster(variant).pod("upload").container(name)
    assert container["startupProbe"]["httpGet"]["path"] == "/readyz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/healthz"


@pytest.mark.parametrize("variant", VARIANTS)
def test_who_decodes_pictures_has_nothing(variant: str) -> None:
    """The container that decodes pictures mounts only the pod's sockets and memory."""
    images = cluster(variant).pod("upload").container("images")
    assert {one["mountPath"] for one in images["volumeMounts"]} == {"/run/wharf/upload", "/tmp"}
    assert "env" not in images


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_live_channel_reads_what_upload_writes(variant: str) -> None:
    """The live channel has upload's mounts and settings, and the gateway knows its socket.

    It has no sealing keys, because it reads no secrets of the database.
    """
    pod = cluster(variant).pod("upload")
    live, upload = pod.container("live"), pod.container("upload")

    def mounted(container: Mapping[str, Any]) -> dict[str, Any]:
        return {
            one["mountPath"]: one
            for one in container["volumeMounts"]
            if one["mountPath"] not in ("/tmp", "/secrets/sealing")
        }

    assert mounted(live) == mounted(upload)
    assert "sealing-keys" not in {one["name"] for one in live["volumeMounts"]}
    apart = {"WHARF_SERVE_PREPARES", "WHARF_UPLOAD_WORKER", "WHARF_SECRETS_KEY_FILE"}
    wanted = {k: v for k, v in environment(variant, upload).items() if k not in apart}
    assert environment(variant, live) == wanted
    told = environment(variant, pod.container("gateway"))
    for name in ("WHARF_LIVE_SOCKET", "WHARF_IMAGES_SOCKET", "WHARF_IMAGES_BLOBS_SOCKET"):
        assert told[name].startswith("/run/wharf/upload/")


@pytest.mark.parametrize("variant", VARIANTS)
def test_sessions_that_cannot_be_kept(variant: str) -> None:
    """The console starts only if it can store sessions, and stays ready if it later cannot."""
    container = cluster(variant).pod("console").container("console")
    assert container["startupProbe"]["httpGet"]["path"] == "/readyz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz?exclude=sessions"


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_console_has_nothing_of_the_others(variant: str) -> None:
    """The console mounts neither files, records nor keys: its only volume is for its sessions."""
    pod = cluster(variant).pod("console")
    mounts = {one["mountPath"]: one for one in pod.container("console")["volumeMounts"]}
    databases = {"/secrets/databases"} if variant != "single-node-complete" else set()
    assert mounts.keys() == {"/data/console", "/tmp"} | databases
    assert mounts["/data/console"].get("subPath", "console") == "console"
    volumes = {one["name"]: one for one in pod.spec["volumes"]}
    if "persistentVolumeClaim" in volumes[mounts["/data/console"]["name"]]:
        assert mounts["/data/console"]["subPath"] == "console"


@pytest.mark.parametrize(("variant", "name"), SERVING)
def test_time_to_drain(variant: str, name: str) -> None:
    """A pod's grace period exceeds the time of its preStop hook, running requests and shutdown."""
    pod = pod_of(variant, name)
    assert pod.spec["terminationGracePeriodSeconds"] > DRAIN_SECONDS[pod.component]


@pytest.mark.parametrize("variant", VARIANTS)
def test_nginx_ends_first(variant: str) -> None:
    """upload ends after its gateway, which ends after nodes have stopped routing to the pod."""
    pod = cluster(variant).pod("upload")
    gateway, upload = pod.container("gateway"), pod.container("upload")
    assert gateway["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "5"]
    command = upload["lifecycle"]["preStop"]["exec"]["command"]
    # The hook waits up to a day, the maximum of WHARF_DRAIN_SECONDS, so only the gateway's end and
    # the grace period limit the wait.
    assert command == ["wharf-upload", "await-gateway", "--seconds", "86400"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_link_crosses_no_mount(variant: str) -> None:
    """Spool, staging and tenants are in one mount of upload, in which the gateway spools."""
    pod = cluster(variant).pod("upload")
    gateway, upload = pod.container("gateway"), pod.container("upload")
    mounts = {one["mountPath"]: one for one in upload["volumeMounts"]}
    below = [path for path in mounts if path.startswith("/data/")]
    assert below == ["/data/upload"]  # only records, to which no file is linked
    claims = {one["name"]: one.get("persistentVolumeClaim") for one in pod.spec["volumes"]}
    if variant == "object-store-complete":
        assert mounts["/data"]["name"] in {one["name"] for one in pod.claims}
    else:
        assert claims[mounts["/data"]["name"]] == {"claimName": "wharf-data"}
    (of_gateway,) = [one for one in gateway["volumeMounts"] if one["mountPath"] == "/data"]
    assert of_gateway == mounts["/data"]
    ours, theirs = environment(variant, upload), environment(variant, gateway)
    assert ours["WHARF_INSTANCE"] == theirs["WHARF_INSTANCE"]
    assert "WHARF_SPOOL" not in ours.keys() | theirs.keys()


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_gateway_sees_no_records(variant: str) -> None:
    """The gateway mounts neither the database nor a secret."""
    pod = cluster(variant).pod("upload")
    gateway = pod.container("gateway")
    secrets = {one["name"] for one in pod.spec["volumes"] if "secret" in one}
    for mount in gateway["volumeMounts"]:
        assert mount["name"] not in secrets | {"records"}
        assert mount.get("subPath", "files") == "files"


@pytest.mark.parametrize("variant", VARIANTS)
def test_signing_keys_are_auths_alone(variant: str) -> None:
    """Only auth and its Job mount the signing keys; only the Job mounts the first credentials."""
    users: dict[str, set[str]] = {"wharf-signing-keys": set(), "wharf-credentials": set()}
    for pod in cluster(variant).pods():
        for volume in pod.spec["volumes"]:
            secret = volume.get("secret", {}).get("secretName", "").rsplit("-", 1)[0]
            if secret in users:
                users[secret].add(pod.name)
                # The group that may read the keys is the pod's fsGroup. podman needs an explicit
                # `optional`.
                assert volume["secret"]["defaultMode"] == 0o440
                assert volume["secret"]["optional"] is False
    assert users == {
        "wharf-signing-keys": {"wharf-auth", "wharf-auth-migrate"},
        "wharf-credentials": {"wharf-auth-migrate"},
    }


@pytest.mark.parametrize(("variant", "name"), PODS)
def test_settings_exist(variant: str, name: str) -> None:
    """Every WHARF_ variable is a documented setting, and none contains a secret."""
    text = "".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))
    known = set(re.findall(r"WHARF_[A-Z_]+", text))
    for container in pod_of(variant, name).containers():
        for variable, value in environment(variant, container).items():
            if not variable.startswith("POD_"):
                assert {variable, variable.removesuffix("_FILE")} & known, variable
            assert "://:" not in str(value)
            assert not re.search(r"://[^/]*@", str(value)), variable


@pytest.mark.parametrize("variant", VARIANTS)
def test_how_long_links_live(variant: str) -> None:
    """auth keeps changes of grants in its feed for as long as upload lets links live.

    Both services read the setting in the same ConfigMap.
    """
    sources = set()
    for component in ("auth", "upload"):
        (pod,) = [pod for pod in cluster(variant).pods() if pod.name == f"wharf-{component}"]
        (container,) = [one for one in pod.containers() if one["name"] == component]
        assert "WHARF_LINK_MAX_SECONDS" not in {one["name"] for one in container["env"]}
        sources.add(tuple(one["configMapRef"]["name"] for one in container["envFrom"]))
    assert len(sources) == 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_files_of_secrets_are_mounted(variant: str) -> None:
    """Each `…_FILE` variable names a key of a Secret that is mounted at that path."""
    found = 0
    for pod in cluster(variant).pods():
        secrets = {
            one["name"]: one["secret"]["secretName"]
            for one in pod.spec["volumes"]
            if "secret" in one
        }
        for container in pod.containers():
            mounted = {
                one["mountPath"]: secrets[one["name"]]
                for one in container["volumeMounts"]
                if one["name"] in secrets
            }
            for variable, value in environment(variant, container).items():
                if variable.endswith("_FILE"):
                    folder, _, key = value.rpartition("/")
                    assert key in cluster(variant).one("Secret", mounted[folder])["data"]
                    found += 1
    counts = {"single-node-complete": 2, "production-complete": 17, "object-store-complete": 22}
    assert found == counts[variant]


@pytest.mark.parametrize("variant", VARIANTS)
def test_who_opens_sealed_secrets(variant: str) -> None:
    """Only containers that seal or open secrets have the sealing keys, read-only."""
    holding = set()
    for pod in cluster(variant).pods():
        for container in pod.containers():
            mounts = {one["name"]: one for one in container["volumeMounts"]}
            if "sealing-keys" in mounts:
                assert mounts["sealing-keys"]["readOnly"] is True
                holding.add(container["name"])
    senders = set() if variant == "single-node-complete" else {"jobs"}
    assert holding == {"upload", "migrate"} | senders


def test_keys_of_the_object_store() -> None:
    """Only upload, live, the worker and the migration have the keys of the object store."""
    holding = {
        container["name"]
        for pod in cluster("object-store-complete").pods()
        for container in pod.containers()
        if "blob-keys" in {one["name"] for one in container["volumeMounts"]}
    }
    assert holding == {"upload", "live", "worker", "jobs", "migrate"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_temporary_files_have_a_place(variant: str) -> None:
    """Every container has a separate /tmp in memory with a size limit."""
    for pod in cluster(variant).pods():
        volumes = {one["name"]: one for one in pod.spec["volumes"]}
        used = [
            mount["name"]
            for container in pod.spec["containers"]
            for mount in container["volumeMounts"]
            if mount["mountPath"] == "/tmp"
        ]
        assert len(used) == len(set(used)) == len(pod.spec["containers"])
        for name in used:
            assert volumes[name]["emptyDir"] == {"medium": "Memory", "sizeLimit": "64Mi"}
