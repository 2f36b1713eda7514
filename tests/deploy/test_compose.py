"""docker-compose.yml with a real engine: the commands of docs/tour.md, then what goes wrong.

The tests of this file build on each other, in the order in which an operator would do the steps.
"""

from __future__ import annotations

import json
import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import engines
from tests.deploy.composing import available, docker, tail
from tests.deploy.stack import (
    CREDENTIALS,
    METADATA,
    PAUSE_SECONDS,
    READY_SECONDS,
    SCALE,
    START,
    TAKE_DOWN,
    TOKEN,
    UPLOAD,
    Stack,
    published,
    running,
)
from tests.servers.code_blocks import blocks
from tests.servers.containers import IMAGES as NAMES
from tests.servers.containers import Images
from tests.servers.needs import lacking
from tests.servers.wharf.raw_http import exchange, head, until

# A busy engine queues its work, and images may have to be built first.
pytestmark = [pytest.mark.timeout(900), pytest.mark.story]
SERVICES = {"auth", "console", "upload", "live", "images", "worker", "gateway"}
REPLICAS = {"auth", "console", "postgres", "redis", "balancer", "worker-1", "jobs-1"} | {
    f"{kind}-{number}" for kind in ("upload", "live", "images", "gateway") for number in "12"
}
DOWN, UP = SCALE.splitlines()
UPGRADE = blocks("docs/compose.md", "Upgrade")[0].splitlines()[-1]
(MOVE,) = blocks("docs/compose.md", "From one to two")


@pytest.fixture(scope="module")
def settings(images: Images) -> Iterator[dict[str, str]]:
    """Yield the variables of docker-compose.yml, with images that are built here."""
    if not available():
        lacking("there is no Compose; Debian: apt-get install docker-compose")
    tag, base = images.upload.rpartition(":")[2], images.python_base
    mine = {
        "WHARF_POSTGRES_IMAGE": engines.postgres(f"wharf-test-postgres:{tag}", base),
        "WHARF_REDIS_IMAGE": engines.redis(f"wharf-test-redis:{tag}", base),
        "WHARF_PROMETHEUS_IMAGE": engines.prometheus(f"wharf-test-prometheus:{tag}", base),
    }
    variables = {"WHARF_NGINX_IMAGE": images.nginx_base, "WHARF_HEALTH_INTERVAL": "3s"}
    yield {"WHARF_VERSION": tag, **variables, **mine}
    docker("rmi", "--force", *mine.values())


@pytest.fixture(scope="module")
def single(settings: dict[str, str]) -> Iterator[Stack]:
    """Start one container of each service with the tour's one command."""
    stack = Stack(settings)
    try:
        stack.prints(START)
        stack.await_health("gateway")
        yield stack
    finally:
        stack.remove()


@pytest.fixture(scope="module")
def scaled(single: Stack) -> Stack:
    """Give the installation two replicas, as docs/tour.md and docs/compose.md say."""
    with single.write("moved") as single.moved:
        assert until(lambda: len(single.moved.acknowledged) >= 4)
    single.prints(MOVE.replace("wharf_files", f"{single.name}_files"))
    single.await_health("balancer")
    return single


def test_up(single: Stack) -> None:
    """One command starts all services, and opens one port of this machine."""
    assert running(single) == SERVICES
    single.await_health("worker")
    assert published(single) == {"gateway": {("127.0.0.1", str(single.port))}}


def test_upload_and_download(single: Stack, tmp_path: Path) -> None:
    """The tour's commands upload a file and download the same bytes."""
    single.prints(CREDENTIALS, TOKEN, UPLOAD, METADATA)
    assert single.fetches(tmp_path)


def test_events_and_pictures(single: Stack) -> None:
    """A listener receives the event of a new picture, and can get the small picture."""
    single.await_health("live")
    single.await_health("images")
    single.hears_and_sees("first.jpg")


def test_contained(single: Stack) -> None:
    """The first process of each service has no capability, is not root, can get no more rights, and
    cannot write into its image.
    """
    for service in SERVICES:
        single.check_contained(service)


def test_secrets(single: Stack) -> None:
    """Keys and credentials are made with mode 600, and the gateway's container has none."""
    auth, gateway = single.container("auth"), single.container("gateway")
    listed = docker(
        "exec", auth, "sh", "-c", "stat -c '%a %u' /data/credentials.json /data/auth/keys/*"
    )
    assert set(listed.splitlines()) == {"600 10001"}
    script = "find / -name '*.pem' -path '*keys*' -o -name '*.db' -o -name credentials.json; exit 0"
    assert docker("exec", gateway, "sh", "-c", f"({script}) 2>/dev/null") == ""


def test_data_is_kept(single: Stack) -> None:
    """Files and credentials are unchanged after `down` and another start."""
    with single.write("kept") as load:
        assert until(lambda: len(load.acknowledged) >= 4)
    before = single.prints(CREDENTIALS, "cat $WHARF_DATA/credentials.json")
    single.prints(DOWN)
    assert single.containers() == {}
    single.prints(START)
    single.await_health("gateway")
    assert load.lost() == []
    assert single.prints(CREDENTIALS, "cat $WHARF_DATA/credentials.json") == before


def test_scaled_up(scaled: Stack) -> None:
    """The command for two replicas starts them with PostgreSQL and Redis, and opens one port."""
    assert running(scaled) == REPLICAS
    assert published(scaled) == {"balancer": {("127.0.0.1", str(scaled.port))}}


def test_moved(scaled: Stack) -> None:
    """The commands of docs/compose.md move files and credentials to the two replicas."""
    scaled.moved.token = scaled.token()
    assert scaled.moved.lost() == []


def accesses(stack: Stack, gateway: str) -> list[dict[str, object]]:
    """Return a gateway's log lines of uploads."""
    lines = docker("logs", stack.container(gateway)).splitlines()
    found = [json.loads(line) for line in lines if line.startswith('{"time"')]
    return [one for one in found if one.get("method") == "PUT"]


def test_both_serve(scaled: Stack) -> None:
    """Both replicas serve uploads, log the client's address, and find each other's files."""
    with scaled.write("both") as load:
        assert until(
            lambda: all(len(accesses(scaled, one)) > 5 for one in ("gateway-1", "gateway-2")),
            pause=PAUSE_SECONDS,
        ), scaled.logs()
    assert load.failed == []
    assert load.lost() == []
    assert load.lost() == []  # The balancer may send this request to the other replica.
    for gateway in ("gateway-1", "gateway-2"):
        addresses = {str(one["address"]) for one in accesses(scaled, gateway)}
        assert all(re.fullmatch(r"[0-9.]+", address) for address in addresses), addresses


def test_events_and_pictures_of_both(scaled: Stack) -> None:
    """A listener at either replica receives all events, and both replicas serve small pictures."""
    for number in "12":
        scaled.await_health(f"live-{number}")
        scaled.await_health(f"images-{number}")
    scaled.hears_and_sees("second.jpg", listeners=4)


def test_engines_are_used(scaled: Stack) -> None:
    """The records are in PostgreSQL under a role that is no superuser; counters are in Redis."""
    query = (
        "SELECT count(*) > 0, bool_or(rolsuper) FROM files, pg_roles WHERE rolname = 'wharf_upload'"
    )
    psql = ("psql", "--no-psqlrc", "-At", "-U", "postgres", "-d", "wharf_upload", "-c", query)
    assert docker("exec", scaled.container("postgres"), *psql).strip() == "t|f"
    script = "REDISCLI_AUTH=$(sed -n 's/^requirepass //p' /secrets/redis.conf) redis-cli dbsize"
    assert int(docker("exec", scaled.container("redis"), "sh", "-c", script)) > 0


def test_passwords(scaled: Stack) -> None:
    """The database's password is in no container's environment or command. Only one group can read
    the files with passwords.
    """
    upload = scaled.container("upload-1")
    url = docker("exec", upload, "cat", "/secrets/database-url")
    password = url.partition("wharf_upload:")[2].partition("@")[0]
    assert len(password) == 64
    for one in scaled.containers().values():
        assert password not in json.dumps(one)
    listed = docker("exec", upload, "sh", "-c", "stat -c '%a %u %g' /secrets/*")
    assert set(listed.splitlines()) == {"440 0 10001"}


def test_refused_before_the_body(scaled: Stack) -> None:
    """The balancer passes `Expect` on, so a client without a token gets a 401 and no 100."""
    request = head(
        "PUT /v1/files/default/x HTTP/1.1",
        *("Content-Length: 1000000", "Expect: 100-continue", "Connection: close"),
    )
    assert [answer.status for answer in exchange(scaled.port, request)] == [401]


TARGETS = """
import json, urllib.request
url = "http://127.0.0.1:9090/api/v1/targets?state=active"
found = json.load(urllib.request.urlopen(url))["data"]["activeTargets"]
print(*(f"{one['labels']['job']}/{one['labels']['instance']}={one['health']}" for one in found))
"""


def test_observed(scaled: Stack) -> None:
    """Prometheus of the profile `observe` reads the metrics of the services, and has loaded its
    rules. The test does not check the console's metrics.
    """
    scaled.shell("docker compose --profile observe up --detach prometheus")
    name = scaled.container("prometheus")
    wanted = {"wharf-auth/auth=up", "wharf-worker/worker-1=up"} | {
        f"{job}-{number}=up"
        for job in (
            *("wharf-upload/upload", "wharf-nginx/gateway", "wharf-gateway/gateway"),
            *("wharf-live/gateway", "wharf-images/gateway"),
        )
        for number in "12"
    }

    def read() -> set[str]:
        done = subprocess.run(
            ["docker", "exec", name, "python3", "-c", TARGETS],
            capture_output=True,
            text=True,
            check=False,
        )
        return set(done.stdout.split())

    assert until(lambda: wanted <= read(), 120, PAUSE_SECONDS), (read(), tail(name))
    rules = (
        "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9090/api/v1/rules').read())"
    )
    assert '"alert' in docker("exec", name, "python3", "-c", rules)
    scaled.shell("docker compose --profile observe rm --stop --force prometheus")


def test_a_replica_is_killed(scaled: Stack) -> None:
    """After the kill of a replica no new upload fails, and no acknowledged file is lost."""
    with scaled.write("killed") as load:
        assert until(lambda: len(load.acknowledged) >= 20)
        docker("kill", scaled.container("gateway-1"), scaled.container("upload-1"))
        dead = load.mark()
        assert until(lambda: len([one for one in load.acknowledged if one.number > dead]) >= 30)
    assert [one for one in load.failed if one.number > dead] == []
    assert load.lost() == []


def test_it_comes_back(scaled: Stack) -> None:
    """`up` starts the killed replica again, and the balancer sends it requests again."""
    scaled.prints(UP)
    scaled.await_health("gateway-1")
    with scaled.write("back") as load:
        before = len(accesses(scaled, "gateway-1"))
        assert until(
            lambda: len(accesses(scaled, "gateway-1")) > before + 5, pause=PAUSE_SECONDS
        ), scaled.logs()
    assert load.failed == []


def test_a_service_is_killed(scaled: Stack) -> None:
    """A gateway without its upload service gets no new connections after some seconds.

    Requests that the gateway already has wait, and get their response when the service is back.
    """
    doors = scaled.container("balancer")

    def shut() -> bool:
        return "replica-2.sock\n" not in docker("exec", doors, "ls", "/run/wharf/front")

    with scaled.write("headless") as waiting:
        assert until(lambda: len(waiting.acknowledged) >= 10)
        docker("kill", scaled.container("upload-2"))
        killed = waiting.mark()
        assert until(shut, READY_SECONDS, PAUSE_SECONDS), scaled.logs()
        with scaled.write("elsewhere") as others:
            assert until(lambda: len(others.attempts) >= 30)
        assert others.failed == []
        scaled.shell("docker compose --profile scale start upload-2")
        scaled.await_health("gateway-2")
        assert until(lambda: not shut(), READY_SECONDS, PAUSE_SECONDS), scaled.logs()
    # A request may fail only if it waited too long, on a slow machine.
    assert {one.status for one in waiting.failed if one.number > killed} <= {503, 504}
    assert waiting.lost() == others.lost() == []


def identities(stack: Stack) -> dict[str, str]:
    """Return the container id of each service."""
    return {name: str(one["Id"]) for name, one in stack.containers().items()}


def test_upgrade(scaled: Stack, images: Images) -> None:
    """`make upgrade` with a new tag replaces Wharf's containers in turn, and no upload fails."""
    release = f"upgraded-{secrets.token_hex(3)}"
    new = {name: f"wharf-{name}:{release}" for name in NAMES}
    old = identities(scaled)
    try:
        for name, image in new.items():
            docker("tag", getattr(images, name), image)
        with scaled.write("upgraded") as load:
            assert until(lambda: len(load.acknowledged) >= 10)
            scaled.settings["WHARF_VERSION"] = release
            scaled.shell(UPGRADE)
            replaced = load.mark()
            assert until(lambda: len([a for a in load.acknowledged if a.number > replaced]) >= 20)
        now = identities(scaled)
        assert load.failed == []
        kept = {"postgres", "redis", "balancer"}
        assert {one for one in REPLICAS if now[one] == old[one]} == kept
        assert load.lost() == []
    finally:
        docker("rmi", "--force", *new.values())


def test_a_broken_release(scaled: Stack, images: Images) -> None:
    """`make upgrade` stops with an error line at the first service that does not become healthy.

    The other replica stays unchanged, and no upload fails.
    """
    release = f"broken-{secrets.token_hex(3)}"
    # Prometheus in place of the gateway ends immediately, because it does not know the arguments.
    new = {name: getattr(images, name) for name in ("auth", "upload", "images")}
    new["gateway"] = scaled.settings["WHARF_PROMETHEUS_IMAGE"]
    old, version = identities(scaled), scaled.settings["WHARF_VERSION"]
    try:
        for name, image in new.items():
            docker("tag", image, f"wharf-{name}:{release}")
        with scaled.write("broken") as load:
            assert until(lambda: len(load.acknowledged) >= 10)
            scaled.settings["WHARF_VERSION"] = release
            with pytest.raises(AssertionError, match="upgrade: the new gateway-1 is not healthy"):
                scaled.shell(UPGRADE)
            stopped = load.mark()
            assert until(lambda: len([a for a in load.acknowledged if a.number > stopped]) >= 20)
        now = identities(scaled)
        assert load.failed == []
        replaced = {"upload-1", "live-1", "images-1", "gateway-1"}
        assert {one for one in REPLICAS if now[one] != old[one]} == replaced
        assert load.lost() == []
    finally:
        scaled.settings["WHARF_VERSION"] = version
        docker("rmi", "--force", *(f"wharf-{name}:{release}" for name in new))


def test_taken_down(scaled: Stack) -> None:
    """The command of docs/compose.md leaves no container, volume or network of any profile."""
    scaled.shell(TAKE_DOWN)
    assert (scaled.containers(), scaled.volumes(), scaled.networks()) == ({}, [], [])
