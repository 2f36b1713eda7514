"""docker-compose.yml as a file: its validity, and the rules for every container."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.composing import ROOT, available, has_plugin, has_program
from tests.servers.needs import lacking
from wharf_upload.domain.bucket_place import parse_bucket_place

FILE = ROOT / "docker-compose.yml"
PROFILES = {"single", "scale", "s3", "observe"}
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text())["services"]
NETWORKS: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text())["networks"]
VOLUMES: dict[str, Any] = yaml.safe_load(FILE.read_text())["volumes"]
EVERY = pytest.mark.parametrize("name", SERVICES)


def mounts(name: str) -> dict[str, str]:
    """Return the named volumes of a service, and where they are mounted."""
    entries = SERVICES[name].get("volumes", [])
    words = [entry.replace("${WHARF_TLS_FOLDER:-tls}", "tls").split(":") for entry in entries]
    return {word[0]: word[1] for word in words if not word[0].startswith(".")}


def networks(name: str) -> set[str]:
    """Return the networks of a service."""
    return set(SERVICES[name].get("networks", []))


def seconds(text: str) -> int:
    """Return a duration of Compose, which here is always in seconds."""
    match = re.fullmatch(r"(\d+)s", text)
    assert match, text
    return int(match.group(1))


def test_the_specification() -> None:
    """The file is valid by the schema of the Compose specification."""
    program = str(Path(sys.executable).with_name("check-jsonschema"))
    command = [program, "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_read_by_compose(profile: str) -> None:
    """Each version of Compose on this machine accepts the file, with each profile."""
    if not available():
        lacking("there is no Compose; Debian: apt-get install docker-compose")
    for command in [["docker", "compose"]] * has_plugin() + [["docker-compose"]] * has_program():
        done = subprocess.run(
            [*command, "--profile", profile, "config", "--quiet"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stderr)


def test_a_store_of_ones_own(tmp_path: Path) -> None:
    """The override in docs/compose.md gives services that use a store the keys and a network."""
    if not available():
        lacking("there is no Compose; Debian: apt-get install docker-compose")
    (text,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/compose.md").read_text(), re.DOTALL)
    override = tmp_path / "override.yml"
    override.write_text(text)
    command = ["docker", "compose"] if has_plugin() else ["docker-compose"]
    done = subprocess.run(
        [*command, "-f", str(FILE), "-f", str(override), "--profile", "single", "config"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    merged = yaml.safe_load(done.stdout)["services"]
    for name in ("upload", "live", "worker"):
        assert merged[name]["environment"]["WHARF_BLOB_KEY_FILE"] == "/keys/blob-keys"
        assert "/keys/blob-keys" in str(merged[name]["volumes"])
        out = {"outside"} if name == "worker" else set()
        assert set(merged[name]["networks"]) == {"inside", "objects"} | out
        # The volumes of docker-compose.yml stay.
        assert set(mounts(name).values()) <= set(
            re.findall(r"[^:' ]+", str(merged[name]["volumes"]))
        )
    assert merged["upload-migrate"]["environment"]["WHARF_BLOB_KEY_FILE"]


def test_the_default() -> None:
    """The profile for one machine is the default."""
    assert "\nCOMPOSE_PROFILES=single\n" in (ROOT / ".env").read_text()


@EVERY
def test_contained(name: str) -> None:
    """Every container is read-only, drops all capabilities, can get no new rights, and has limited
    resources and logs.
    """
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    assert all("size=" in entry or "postgresql" in entry for entry in service["tmpfs"])
    assert "privileged" not in service


@EVERY
def test_capabilities_and_root(name: str) -> None:
    """Only containers that distribute secrets run as root; they have no network and run once.

    Gateways that clients reach directly have one capability
    in their bounding set, which their user cannot use.
    """
    service = SERVICES[name]
    if service.get("user") == "0:0":
        assert service["network_mode"] == "none"
        assert service["restart"] == "no"
        assert set(service.get("cap_add", [])) <= {"CHOWN"}
    else:
        direct = name in {"gateway", "gateway-s3"}
        assert service.get("cap_add", []) == ["SYS_PTRACE"] * direct


@EVERY
def test_profiles(name: str) -> None:
    """Each service is in a profile, and the services that it waits for are in the same profiles."""
    own = set(SERVICES[name]["profiles"])
    assert own
    assert own <= PROFILES
    for needed in SERVICES[name].get("depends_on", {}):
        assert own <= set(SERVICES[needed]["profiles"]), needed


@pytest.mark.parametrize(("profile", "count"), [("single", 5), ("scale", 5), ("s3", 6)])
def test_built_once(profile: str, count: int) -> None:
    """In each profile one service builds each of Wharf's images, and all services use the image."""
    members = [one for one in SERVICES.values() if profile in one["profiles"]]
    building = [one["image"] for one in members if "build" in one]
    assert len(building) == len(set(building)) == count
    own = {one["image"] for one in members if "wharf-" in one["image"]}
    assert own == set(building)


@EVERY
def test_order(name: str) -> None:
    """A service waits until dependencies that run once have succeeded and all others are healthy.

    A service may also wait only for the start of Prometheus.
    """
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        once = SERVICES[needed]["restart"] == "no"
        expected = "service_completed_successfully" if once else "service_healthy"
        assert how["condition"] in {expected, "service_started" if needed == "prometheus" else ""}


@EVERY
def test_who_waits_for_what_runs_once(name: str) -> None:
    """In every profile a service waits for each container that runs once.

    Otherwise `up --wait` would report the end of the container as a failure.
    """
    if SERVICES[name]["restart"] != "no":
        return
    for profile in SERVICES[name]["profiles"]:
        waiting = [
            one
            for one in SERVICES.values()
            if profile in one["profiles"] and name in one.get("depends_on", {})
        ]
        assert waiting, profile


@EVERY
def test_published(name: str) -> None:
    """Only gateways, the balancer and Grafana are published, by default on loopback."""
    ports = SERVICES[name].get("ports", [])
    if name in {"gateway", "gateway-s3", "balancer"}:
        assert ports == ["${WHARF_PUBLISH:-127.0.0.1:8080}:8080"]
    elif name == "grafana":
        assert ports == ["${WHARF_GRAFANA_PUBLISH:-127.0.0.1:3000}:3000"]
    else:
        assert ports == []
        # This service must not have a network with access to outside addresses.
        assert not {"public", "grafana"} & networks(name)
        assert SERVICES[name].get("network_mode", "none") == "none"


def test_what_is_mounted_from_the_checkout() -> None:
    """Files that containers mount from the checkout exist at the paths that their programs read."""
    for service in SERVICES.values():
        for source, _, mode in (
            entry.split(":") for entry in service.get("volumes", []) if entry[0] == "."
        ):
            assert (ROOT / source).exists(), source
            assert mode == "ro"
    grafana = ROOT / "deploy/grafana"
    (sources,) = (grafana / "provisioning/datasources").iterdir()
    (source,) = yaml.safe_load(sources.read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert networks("grafana") & networks("prometheus")
    (providers,) = (grafana / "provisioning/dashboards").iterdir()
    (provider,) = yaml.safe_load(providers.read_text())["providers"]
    folder = provider["options"]["path"]
    assert f"./deploy/grafana/dashboards:{folder}:ro" in SERVICES["grafana"]["volumes"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (grafana / "dashboards" / Path(home).relative_to(folder)).exists()
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/compose.yml").read_text())
    for job in scraped["scrape_configs"]:
        for name in job["dns_sd_configs"][0]["names"]:
            assert "inside" in networks(name), name
    assert "inside" in networks("prometheus")


def test_networks() -> None:
    """All networks are internal, except those of published services and of senders of webhooks.

    Grafana shares no network with a gateway.
    Only services that need the records are in the network of the records.
    """
    out = {name for name, one in NETWORKS.items() if not one.get("internal")}
    assert out == {"public", "grafana", "outside"}
    published = {"gateway", "gateway-s3", "balancer"}
    assert {name for name in SERVICES if "public" in networks(name)} == published
    assert {name for name in SERVICES if "grafana" in networks(name)} == {"grafana"}
    assert networks("grafana") == {"grafana", "dashboards"}
    # They send webhooks.
    sending = {name for name in SERVICES if "outside" in networks(name)}
    assert sending == {"worker", "worker-s3", "jobs-1"}
    members = {name for name in SERVICES if "records" in networks(name)}
    services = {f"{kind}-{number}" for kind in ("upload", "live") for number in "12"}
    assert members == {"postgres", "redis", "migrate", "worker-1", "jobs-1", *services}


def test_who_sees_what() -> None:
    """Only auth mounts private keys, and no gateway mounts records or passwords.

    Secrets are mounted read-only, except by the containers that make them.
    """
    assert {name for name in SERVICES if "auth" in mounts(name)} == {"auth", "auth-init"}
    for gateway in ("gateway", "gateway-s3", "gateway-1", "gateway-2", "balancer"):
        assert not {"records", "s3-records", "database", "auth"} & set(mounts(gateway))
        assert not [volume for volume in mounts(gateway) if "secrets" in volume]
    for name, service in SERVICES.items():
        for entry in service.get("volumes", []):
            if "-secrets:" in entry and name not in {"secrets", "store-secrets", "grafana-secrets"}:
                assert entry.endswith(":ro"), (name, entry)


def test_replicas() -> None:
    """Two replicas share files and secrets. They have separate sockets, instance names and doors,
    and different addresses for auth's keys and feed.
    """
    for kind, shared in (
        ("upload", {"shared", "upload-secrets"}),
        ("live", {"shared", "upload-secrets"}),
        ("gateway", {"shared", "front", "auth-socket", "console-socket", "tls"}),
    ):
        one, two = f"{kind}-1", f"{kind}-2"
        assert set(mounts(one)) & set(mounts(two)) == shared
        first, second = SERVICES[one]["environment"], SERVICES[two]["environment"]
        differing = {name for name in first if first[name] != second[name]}
        own = {
            "upload": {"WHARF_JWKS_URL", "WHARF_FEED_URL"},
            "live": {"WHARF_JWKS_URL", "WHARF_FEED_URL"},
            "gateway": {"WHARF_FRONT_DOOR", "WHARF_CONSOLE_DOOR"},
        }[kind]
        assert differing == {"WHARF_INSTANCE", *own}
    for number in "12":
        names = (f"upload-{number}", f"live-{number}", f"gateway-{number}")
        instances = {SERVICES[name]["environment"]["WHARF_INSTANCE"] for name in names}
        assert instances == {f"replica-{number}"}
        folder = {mounts(name)[f"sockets-{number}"] for name in (*names, f"images-{number}")}
        assert folder == {"/run/wharf/upload"}
        door = SERVICES[f"gateway-{number}"]["environment"]["WHARF_FRONT_DOOR"]
        assert f"server unix:{door} " in (ROOT / "deploy/nginx/balancer.conf").read_text()


def test_who_reaches_the_object_store() -> None:
    """The store is only in an internal network, with the services that write or send its bytes.

    The gateway has the authority of the store's certificate, and does not have the store's keys.
    """
    assert NETWORKS["objects"] == {"internal": True}
    members = {name for name in SERVICES if "objects" in networks(name)}
    assert members == {"store", "upload-s3", "worker-s3", "gateway-s3"}
    assert networks("store") == {"objects"}
    holding = {
        volume: {name for name in SERVICES if volume in mounts(name)}
        for volume in ("blob-secrets", "store-secrets", "store-ca", "store")
    }
    users = {"upload-s3", "live-s3", "worker-s3"}
    assert holding == {
        "blob-secrets": {"store-secrets", *users},
        "store-secrets": {"store-secrets", "store"},
        "store-ca": {"store-secrets", "gateway-s3", *users},
        "store": {"store"},
    }


def test_where_the_object_store_is() -> None:
    """All services use the same address of the store: its container and its open port."""
    members = [one for one in SERVICES.values() if one["profiles"] == ["s3"]]
    told = [one["environment"] for one in members if "WHARF_BLOB_URL" in one.get("environment", {})]
    assert len(told) == 5
    (url,) = {one["WHARF_BLOB_URL"] for one in told}
    place = parse_bucket_place(url)
    dockerfile = (ROOT / "deploy/store/Dockerfile").read_text()
    assert (place.scheme, place.host) == ("https", "store")
    assert f"\nEXPOSE {place.port}\n" in dockerfile
    assert f'"STORE_BUCKET", "{place.bucket}"' in (ROOT / "deploy/store/store.py").read_text()
    for name in ("upload-s3", "live-s3", "worker-s3", "gateway-s3"):
        environment, places = SERVICES[name]["environment"], mounts(name)
        files = {environment["WHARF_BLOB_CA"], environment.get("WHARF_BLOB_KEY_FILE")} - {None}
        for file in files:
            assert str(file).rpartition("/")[0] in places.values(), (name, file)
    assert "WHARF_BLOB_KEY_FILE" not in SERVICES["gateway-s3"]["environment"]


def test_the_console_knows_every_door() -> None:
    """The console knows each gateway's door; only console and gateways mount the doors' volume."""
    doors = SERVICES["console"]["environment"]["WHARF_CONSOLE_DOOR"].split(",")
    gateways = {name for name in SERVICES if name.startswith("gateway")}
    assert {SERVICES[name]["environment"]["WHARF_CONSOLE_DOOR"] for name in gateways} == set(doors)
    members = {name: mounts(name).get("console-socket") for name in SERVICES}
    found = {name for name, path in members.items() if path is not None}
    assert found == {*gateways, "console"}
    for name in found:
        assert all(door.startswith(f"{members[name]}/") for door in doors)


@pytest.mark.parametrize("name", ["images", "images-s3", "images-1", "images-2"])
def test_who_decodes_pictures_has_nothing(name: str) -> None:
    """The decoder of pictures mounts only sockets: it has no file, record, secret or network."""
    (volume,) = mounts(name)
    assert volume.removeprefix("s3-").startswith("sockets")
    assert SERVICES[name]["network_mode"] == "none"
    assert "environment" not in SERVICES[name]


@pytest.mark.parametrize("name", ["gateway", "gateway-s3", "gateway-1", "gateway-2"])
def test_a_gateway_does_without_its_extras(name: str) -> None:
    """A gateway knows the sockets of the live channel and of small pictures in a shared folder.

    Neither the gateway nor upload waits at startup for the live channel or the small pictures.
    """
    environment = SERVICES[name]["environment"]
    sockets = ("WHARF_LIVE_SOCKET", "WHARF_IMAGES_SOCKET", "WHARF_IMAGES_BLOBS_SOCKET")
    assert {environment[one].rpartition("/")[0] for one in sockets} == {"/run/wharf/upload"}
    for one in (name, name.replace("gateway", "upload")):
        needed = SERVICES[one]["depends_on"]
        assert not [other for other in needed if other.startswith(("live", "images"))]


def test_the_console_has_nothing_of_the_others() -> None:
    """The console mounts only two volumes: it can read neither files, records nor keys."""
    assert set(mounts("console")) == {"console", "console-socket"}


@pytest.mark.parametrize("profile", ["single", "scale", "s3"])
def test_how_long_links_live(profile: str) -> None:
    """auth keeps changes of grants in its feed for as long as upload lets links live.

    Both services read the setting in `.env`, and no service overrides it.
    """
    users = {
        name: one
        for name, one in SERVICES.items()
        if profile in one["profiles"] and re.search(r"wharf-(auth|upload):", one["image"])
    }
    assert {"auth", "auth-init"} <= set(users)
    assert [name for name in users if name.startswith("upload")]
    for name, one in users.items():
        assert one["env_file"] == ".env", name
        assert "WHARF_LINK_MAX_SECONDS" not in one.get("environment", {}), name


def test_one_after_the_other() -> None:
    """The second replica waits for the first replica when a stack starts."""
    assert "gateway-1" in SERVICES["upload-2"]["depends_on"]
    assert "upload-2" in SERVICES["gateway-2"]["depends_on"]


def test_time_to_end() -> None:
    """A container gets more time to stop than its process gives running requests."""
    drain = 30  # WHARF_DRAIN_SECONDS
    for name, service in SERVICES.items():
        grace = seconds(service.get("stop_grace_period", "10s"))
        if name.startswith(("gateway", "balancer")):
            assert grace > drain + 5
        elif name.startswith("upload") and service["restart"] != "no":
            assert grace > 60
        elif name in {"auth", "console"}:
            assert grace > 30
        elif name.startswith(("live", "images")):
            assert grace > 10 + 5  # the longest of their ends: `bye` to all, or one picture


def test_every_volume_is_used() -> None:
    """Every declared volume is mounted, and every mounted volume is declared."""
    assert {volume for name in SERVICES for volume in mounts(name)} == set(VOLUMES)


@pytest.mark.parametrize(
    ("folder", "service"),
    [
        ("services", "auth"),
        ("services", "console"),
        ("services", "images"),
        ("services", "upload"),
        ("deploy/nginx", "gateway"),
        ("deploy/store", "store"),
    ],
    ids=["auth", "console", "images", "upload", "gateway", "store"],
)
def test_copied_from_a_fresh_checkout(folder: str, service: str) -> None:
    """Git contains the part of each copied path that precedes the first wildcard.

    BuildKit needs every folder before the first wildcard to exist.
    """
    text = (ROOT / folder / "Dockerfile").read_text().replace("\\\n", " ")
    text = text.replace("${SERVICE}", service).replace("${EXTRA:+-${EXTRA}}", "")
    copied = re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE)
    sources = [word for line in copied for word in line.split()[:-1] if word[:2] != "--"]
    assert sources
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    held = {Path(file) for file in listed.stdout.splitlines()}
    held |= {folder for file in held for folder in file.parents}
    for source in sources:
        parts = Path(source).parts
        literal = list(itertools.takewhile(lambda part: not set("*?[") & set(part), parts))
        assert Path(*literal) in held, source


def test_sealing_keys() -> None:
    """In each profile, the processes of upload read one file with sealing keys."""
    for name, service in SERVICES.items():
        environment = service.get("environment", {})
        if service.get("image", "").find("wharf-upload") < 0 or "WHARF_INSTANCE" not in environment:
            continue
        if "scale" in service["profiles"]:
            assert environment["WHARF_SECRETS_KEY_FILE"] == "/secrets/secrets.keys"
            assert mounts(name)["upload-secrets"] == "/secrets"
        else:
            assert "WHARF_SECRETS_KEY_FILE" not in environment
            # The default is in this folder.
            assert "/data/upload" in mounts(name).values()
