"""The network policies, which allow only the connections that these tests list."""

from __future__ import annotations

import ipaddress

import pytest

from tests.deploy.cluster import cluster, matches
from wharf_gateway import trusted_proxies

COMPLETE = ("single-node-complete", "production-complete", "object-store-complete")
PLAIN = tuple(variant.removesuffix("-complete") for variant in COMPLETE)
VARIANTS = (*PLAIN, *COMPLETE)
INGRESS = {
    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}},
    "podSelector": {
        "matchLabels": {
            "app.kubernetes.io/name": "ingress-nginx",
            "app.kubernetes.io/component": "controller",
        }
    },
}
PROMETHEUS = {
    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
    "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
}


def component(name: str) -> dict[str, object]:
    """Return the peer that selects every pod of one component of Wharf."""
    labels = {"app.kubernetes.io/name": "wharf", "app.kubernetes.io/component": name}
    return {"podSelector": {"matchLabels": labels}}


def outside(name: str, namespace: str = "databases") -> dict[str, object]:
    return {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": name}},
    }


@pytest.mark.parametrize("variant", VARIANTS)
def test_closed_until_opened(variant: str) -> None:
    """The policies close every pod of the namespace in both directions by default."""
    found = cluster(variant)
    denials = [
        policy["spec"]
        for policy in found.kind("NetworkPolicy")
        if policy["spec"]["podSelector"] == {} and not policy["spec"].keys() & {"ingress", "egress"}
    ]
    assert [sorted(spec["policyTypes"]) for spec in denials] == [["Egress", "Ingress"]]
    for pod in found.pods():
        assert found.closed(pod, "Ingress")
        assert found.closed(pod, "Egress")


@pytest.mark.parametrize("variant", VARIANTS)
def test_only_gateways_reach_uwsgi(variant: str) -> None:
    """Only pods with a gateway can reach the uwsgi ports of auth and the console."""
    found = cluster(variant)
    for port in (3031, 3032):
        assert found.may_enter(found.pod("auth"), port) == [component("upload")]
    assert found.may_enter(found.pod("console"), 3033) == [component("upload")]


@pytest.mark.parametrize("variant", VARIANTS)
def test_only_the_console_comes_by_its_door(variant: str) -> None:
    """Only the console can reach the console door, which trusts a client's address."""
    found = cluster(variant)
    assert found.may_enter(found.pod("upload"), 8086) == [component("console")]


@pytest.mark.parametrize("variant", COMPLETE)
def test_every_port_has_its_visitors(variant: str) -> None:
    """Each port of each pod is reachable only for the components that need it."""
    found = cluster(variant)
    replicas = "single" not in variant
    apart = "object-store" in variant
    background = [component("jobs"), component("worker")]
    expected = {
        ("auth", "uwsgi"): [component("upload")],
        ("auth", "secrets"): [component("upload")],
        ("auth", "internal"): [PROMETHEUS, *(background * replicas)],
        ("console", "uwsgi"): [component("upload")],
        ("console", "internal"): [PROMETHEUS],
        ("upload", "door"): [component("console")],
        ("upload", "http"): [INGRESS],
        ("upload", "internal"): [PROMETHEUS],
        ("upload", "upload"): [PROMETHEUS],
        # Only probes use these ports; the gateway serves their metrics.
        ("upload", "live"): [],
        ("upload", "images"): [],
        ("upload", "replicas"): [component("upload")],
        ("worker", "worker"): [PROMETHEUS],
        ("jobs", "jobs"): [PROMETHEUS],
    }
    ports = {(pod.component, name) for pod in found.pods() for name in pod.ports()}
    for pod in found.pods():
        for name, number in pod.ports().items():
            assert found.may_enter(pod, number) == expected[pod.component, name], name
    absent = set() if apart else {("upload", "replicas")}
    absent |= set() if replicas else {("worker", "worker"), ("jobs", "jobs")}
    assert ports == expected.keys() - absent


@pytest.mark.parametrize("variant", PLAIN)
def test_without_components(variant: str) -> None:
    """Without an Ingress every peer can reach the public port.

    Without Prometheus no peer can reach an internal port, except the worker and the pods of jobs,
    which read auth's.
    """
    found = cluster(variant)
    upload = found.pod("upload")
    assert found.may_enter(upload, 8080) == [{}]
    for port in (8081, 8083):
        assert found.may_enter(upload, port) == []
    readers = [] if variant == "single-node" else [component("jobs"), component("worker")]
    assert found.may_enter(found.pod("auth"), 8082) == readers


@pytest.mark.parametrize("variant", COMPLETE)
def test_what_leaves(variant: str) -> None:
    """Each pod can reach DNS and only the ports that it works with."""
    found = cluster(variant)
    databases = variant != "single-node-complete"
    # With an object store, upload and the worker reach the store, and replicas reach each other.
    apart = variant == "object-store-complete"
    allowed = {
        "auth": {5432, 6379} if databases else set(),
        "console": {8086, 6379} if databases else {8086},
        "upload": {3031, 3032, 3033, *((5432, 6379) if databases else ())},
        "worker": {5432, 6379, 8082},
        "jobs": {5432, 6379, 8082},
        "migrations": {5432} if databases else set(),
    }
    # Only this pod runs the jobs that deliver webhooks.
    allowed["jobs" if databases else "upload"] |= {443, 1024}
    if apart:
        allowed["upload"] |= {443, 8089}
        allowed["worker"] |= {443}
    peers = {
        3031: [component("auth")],
        3032: [component("auth")],
        3033: [component("console")],
        8082: [component("auth")],
        8086: [component("upload")],
        8089: [component("upload")],
        443: [outside("s3", "object-store")] * apart,
        5432: [outside("postgresql")],
        6379: [outside("redis")],
    }
    for pod in found.pods():
        ports = {one["port"] for rule in found.rules(pod, "Egress") for one in rule["ports"]}
        assert ports == allowed[pod.component] | {53}, pod.name
        for port in ports - {53, 1024}:
            inside = [peer for peer in found.may_leave(pod, port) if "ipBlock" not in peer]
            # Jobs need no bytes of files.
            wanted = [] if (pod.component, port) == ("jobs", 443) else peers[port]
            assert inside == wanted


def _sends_to(variant: str, address: str, port: int) -> set[str]:
    """Return the components whose pods may send to an address outside of the pods' network."""
    found, wanted = cluster(variant), ipaddress.ip_address(address)
    return {
        pod.component
        for pod in found.pods()
        for rule in found.rules(pod, "Egress")
        for peer in rule.get("to", ())
        if "ipBlock" in peer
        and wanted in ipaddress.ip_network(peer["ipBlock"]["cidr"])
        and not any(
            wanted in ipaddress.ip_network(network) for network in peer["ipBlock"].get("except", ())
        )
        and any(one["port"] <= port <= one.get("endPort", one["port"]) for one in rule["ports"])
    }


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("address", "port"),
    [
        *(("93.184.215.14", port) for port in (443, 1024, 65535)),
        ("2606:2800:21f:cb07::1", 443),
    ],
)
def test_webhooks_leave(variant: str, address: str, port: int) -> None:
    """Only pods that deliver webhooks reach public addresses, at the ports of webhooks."""
    sender = "upload" if variant.startswith("single-node") else "jobs"
    assert _sends_to(variant, address, port) == {sender}
    for closed in (22, 25, 80, 1023):
        assert _sends_to(variant, address, closed) == set()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "10.244.0.7", "172.20.1.1", "192.168.1.1", "100.100.100.200"),
        *("127.0.0.1", "::1", "fd00::1", "fe80::1"),
        *("64:ff9b::a00:1", "2001:0:a00:1::1", "2002:a00:1::1"),
    ],
)
def test_webhooks_stay_outside(variant: str, address: str) -> None:
    """No pod reaches private addresses, the nodes' metadata or translated addresses by a policy."""
    assert _sends_to(variant, address, 443) == set()


@pytest.mark.parametrize("variant", VARIANTS)
def test_internal_receivers(variant: str) -> None:
    """The component for internal receivers opens one network, and the setting permits the same."""
    complete = variant in COMPLETE
    assert bool(_sends_to(variant, "10.20.3.4", 8443)) == complete
    assert _sends_to(variant, "10.21.0.1", 8443) == set()
    config = cluster(variant).generated("ConfigMap", "wharf-config")["data"]
    assert config.get("WHARF_WEBHOOK_ALLOW") == ("10.20.0.0/16" if complete else None)


@pytest.mark.parametrize("variant", VARIANTS)
def test_policies_name_pods_that_exist(variant: str) -> None:
    """Each peer in Wharf's namespace selects a pod, so no label is misspelt."""
    found = cluster(variant)
    for policy in found.kind("NetworkPolicy"):
        for direction, side in (("ingress", "from"), ("egress", "to")):
            for rule in policy["spec"].get(direction, ()):
                for peer in rule.get(side, ()):
                    if not {"namespaceSelector", "ipBlock"} & peer.keys():
                        assert found.selected(peer["podSelector"]), policy["metadata"]["name"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_services_lead_to_ports(variant: str) -> None:
    """Each Service selects the pods of one workload, and its ports are those of the pods."""
    found = cluster(variant)
    for service in found.kind("Service"):
        (pod,) = found.selected({"matchLabels": service["spec"]["selector"]})
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in pod.ports(), service["metadata"]["name"]
            if port["name"] != "http":
                assert port["port"] == pod.ports()[port["targetPort"]]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", ["auth", "console"])
def test_addresses_of_services_stay(variant: str, name: str) -> None:
    """Services that the gateway resolves only at startup have a fixed cluster IP."""
    found = cluster(variant)
    service = found.one("Service", f"wharf-{name}")
    assert service["spec"].get("clusterIP") != "None"
    gateway = found.pod("upload").container("gateway")
    variable = f"WHARF_{name.upper()}_SOCKET"
    (socket,) = [one["value"] for one in gateway["env"] if one["name"] == variable]
    (port,) = [one["port"] for one in service["spec"]["ports"] if one["name"] == "uwsgi"]
    assert socket == f"{service['metadata']['name']}:{port}"


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_console_finds_its_door(variant: str) -> None:
    """The console's door setting is a Service with the port on which the gateways listen."""
    found = cluster(variant)
    console = found.pod("console").container("console")
    (door,) = [one["value"] for one in console["env"] if one["name"] == "WHARF_CONSOLE_DOOR"]
    name, _, port = door.partition(":")
    (mine,) = found.one("Service", name)["spec"]["ports"]
    gateway = found.pod("upload").container("gateway")
    (listens,) = [one["value"] for one in gateway["env"] if one["name"] == "WHARF_CONSOLE_DOOR"]
    assert str(mine["port"]) == port == listens.rpartition(":")[2]


def test_replicas_find_each_other() -> None:
    """A replica's address is its pod's DNS name, with the port of its door for replicas.

    upload and the live channel have the same address.
    The name resolves even while the pod is not ready.
    """
    found = cluster("object-store")
    pod = found.pod("upload")
    own, same = (
        [one for one in pod.container(name)["env"] if one["name"][:4] == "POD_"]
        + [one for one in pod.container(name)["env"] if one["name"] == "WHARF_REPLICA_ADDRESS"]
        for name in ("upload", "live")
    )
    assert own == same
    # A variable can only refer to variables above it.
    names = [one["name"] for one in pod.container("upload")["env"]]
    assert names.index("WHARF_REPLICA_ADDRESS") > names.index("POD_NAMESPACE")
    assert names.index("WHARF_REPLICA_ADDRESS") > names.index("POD_NAME")
    host, _, port = own[-1]["value"].partition(":")
    name, service, domain = host.split(".", 2)
    assert (name, domain) == ("$(POD_NAME)", "$(POD_NAMESPACE).svc.cluster.local")
    assert found.one("StatefulSet", "wharf-upload")["spec"]["serviceName"] == service
    spec = found.one("Service", service)["spec"]
    assert (spec["clusterIP"], spec["publishNotReadyAddresses"]) == ("None", True)
    told = {one["name"]: one.get("value", "") for one in pod.container("gateway")["env"]}
    assert str(spec["ports"][0]["port"]) == port == told["WHARF_REPLICA_DOOR"].rpartition(":")[2]


@pytest.mark.parametrize("variant", COMPLETE)
def test_ingress(variant: str) -> None:
    """The Ingress allows any size, does not buffer, waits an hour, and routes to Wharf."""
    found = cluster(variant)
    ingress = found.one("Ingress", "wharf")
    prefix = "nginx.ingress.kubernetes.io/"
    given = {
        name.removeprefix(prefix): value
        for name, value in ingress["metadata"]["annotations"].items()
        if name.startswith(prefix)
    }
    assert given == {
        "proxy-body-size": "0",
        "proxy-request-buffering": "off",
        "proxy-buffering": "off",
        "proxy-read-timeout": "3600",
        "proxy-send-timeout": "3600",
        "proxy-connect-timeout": "5",
    }
    (rule,) = ingress["spec"]["rules"]
    assert [rule["host"]] == ingress["spec"]["tls"][0]["hosts"]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    ports = found.one("Service", backend["name"])["spec"]["ports"]
    assert backend["port"]["name"] in {port["name"] for port in ports}


@pytest.mark.parametrize("variant", COMPLETE)
def test_clients_behind_an_ingress(variant: str) -> None:
    """The gateway trusts the Ingress for clients' addresses, so limits by address apply."""
    found = cluster(variant).generated("ConfigMap", "wharf-config")["data"]
    assert [str(one) for one in trusted_proxies.networks(found)] == ["10.244.0.0/16"]
    assert "WHARF_PROXY_HEADER" not in found
    assert not [name for name in found if "_ADDRESS_" in name or "_LOGIN_" in name]
    assert found["WHARF_ISSUER"]
    plain = cluster(variant.removesuffix("-complete")).generated("ConfigMap", "wharf-config")
    assert "WHARF_TRUSTED_PROXIES" not in plain["data"]


def test_selectors_are_understood() -> None:
    """`matches` requires all labels of a selector, and an empty selector matches everything."""
    labels = {"a": "1", "b": "2"}
    assert matches({}, labels)
    assert matches({"matchLabels": {"a": "1"}}, labels)
    assert not matches({"matchLabels": {"a": "1", "c": "3"}}, labels)
    assert matches({"matchExpressions": [{"key": "b", "operator": "In", "values": ["2"]}]}, labels)
    assert not matches(
        {"matchExpressions": [{"key": "b", "operator": "In", "values": ["1"]}]}, labels
    )
