"""Restarts of the services' containers under load: requests wait, and no request fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.servers import containers
from tests.servers.containers import Images, Quartet
from tests.servers.docker import Engine
from tests.servers.mixed_load import MixedLoad, lost
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.raw_http import until

pytestmark = pytest.mark.timeout(1200)

RESTARTS = 10
# The grace periods of docker-compose.yml.
GRACE_SECONDS = {"auth": 35, "upload": 70}


@pytest.fixture(scope="module")
def rolling(engine: Engine, images: Images) -> Iterator[Quartet]:
    """Start one container of each service for these tests only."""
    with containers.quartet(engine, images, f"wharf-rolling-{containers.TAG}") as made:
        yield made


def client(quartet: Quartet) -> ApiClient:
    """Return a client of the demo tenant."""
    demo = quartet.credentials()["demo"]
    api = ApiClient(int(urlsplit(quartet.url).port or 0))
    answer = api.login(demo["client_id"], demo["client_secret"])
    assert answer.status == 200, answer.body
    return api.using(answer.json()["access_token"])


def test_twenty_restarts(rolling: Quartet) -> None:
    """Ten restarts each of upload and auth fail no request, and lose no acknowledged file.

    upload and auth each have a single replica.
    """
    failed: list[str] = []
    back: dict[str, Callable[[], object]] = {
        "auth": lambda: client(rolling),
        "upload": lambda: load.api.put("back", b"x"),
    }

    def restart(service: str) -> None:
        for _ in range(RESTARTS):
            words = ("restart", "--time", str(GRACE_SECONDS[service]), rolling.of(service))
            done = rolling.engine.try_out(*words)
            if done.returncode or load.faults:
                failed.append(f"{service}: {done.stderr}")
                return
            # The request waits for the new container, which sends the response.
            back[service]()

    with MixedLoad(client(rolling)) as load:
        threads = [threading.Thread(target=restart, args=(name,)) for name in GRACE_SECONDS]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (failed, load.faults) == ([], [])
        load.wait_for(1)
    assert load.faults == []
    assert lost(load.api, load.stored) == []
    checked = rolling.engine("exec", rolling.of("upload"), "wharf-upload", "check", "--read-all")
    assert "faults: 0" in checked


def test_sockets_survive_the_gateway(rolling: Quartet) -> None:
    """A restarted gateway keeps the services' sockets again, and requests wait in the sockets."""
    engine = rolling.engine
    engine("restart", rolling.of("gateway"))
    rolling.wait_healthy()
    with MixedLoad(client(rolling)) as load:
        engine("restart", "--time", "70", rolling.of("upload"))
        load.wait_for(1)
    assert load.faults == []


def test_pages_wait_for_the_console(rolling: Quartet) -> None:
    """Every page arrives while the console's container restarts several times."""
    stop, seen = threading.Event(), []

    def look() -> None:
        with httpx.Client(base_url=rolling.url, timeout=60) as browser:
            while not stop.is_set():
                seen.append(browser.get("/console/login").status_code)

    browsers = [threading.Thread(target=look) for _ in range(2)]
    for one in browsers:
        one.start()
    try:
        for _ in range(3):
            rolling.engine("restart", "--time", "35", rolling.of("console"))
            before = len(seen)
            assert until(lambda before=before: len(seen) > before + 2)
    finally:
        stop.set()
        for one in browsers:
            one.join()
    assert set(seen) == {200}
