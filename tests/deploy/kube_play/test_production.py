"""The overlay production, run by `podman kube play` without PostgreSQL and Redis.

tests/deploy/podman.py lists the features of manifests that podman lacks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.deploy.cluster import cluster
from tests.deploy.played import (
    AUTH,
    CONSOLE,
    GATEWAY,
    GROUP,
    IMAGES,
    LIVE,
    UPLOAD,
    WORKER,
    answers,
    until,
)
from tests.deploy.podman import Playable, Podman


@pytest.fixture
def emptied(podman: Podman) -> Iterator[Podman]:
    """Yield podman without pods and volumes, and remove the test's pods and volumes afterwards."""
    podman.remove_all()
    yield podman
    podman.remove_all()


def test_production_without_its_databases(emptied: Podman) -> None:
    """Production's pods run without PostgreSQL and Redis, and report both as down.

    Liveness and readiness probes still succeed. Startup probes fail, so no new pod would join a
    rollout. Clients get a 503 with Retry-After.
    """
    playable = Playable(cluster("production"))
    for name, files in playable.secrets.items():
        emptied.lay_out_secret(name, files, GROUP)
    emptied.play([*playable.claims, *playable.config, playable.deployment("wharf-auth", {})])
    auth = emptied.address(AUTH)
    emptied.play([*playable.config, playable.deployment("wharf-console", {})])
    console = emptied.address(CONSOLE)
    hosts = {"wharf-auth": auth, "wharf-console": console}
    for name in ("wharf-upload", "wharf-worker"):
        emptied.play([*playable.config, playable.deployment(name, hosts)])
    upload, worker = emptied.address(GATEWAY), emptied.address(WORKER)
    live = [
        f"http://{auth}:8082/healthz",
        f"http://{auth}:8082/readyz?exclude=database",
        f"http://{console}:8085/healthz",
        f"http://{console}:8085/readyz?exclude=sessions",
        f"http://{upload}:8081/healthz",
        f"http://{upload}:8083/healthz",
        f"http://{upload}:8087/healthz",
        f"http://{upload}:8088/healthz",
        f"http://{worker}:8084/metrics",
    ]
    until(
        lambda: all(map(answers, live)),
        lambda: f"{[url for url in live if not answers(url)]}\n{emptied.all_logs()}",
    )
    for url in (
        f"http://{auth}:8082/readyz",
        *(f"http://{upload}:{n}/readyz" for n in (8083, 8088)),
    ):
        answer = httpx.get(url)
        assert answer.status_code == 503
        assert "database" in answer.json()["down"]
    answer = httpx.get(f"http://{console}:8085/readyz")
    assert (answer.status_code, list(answer.json()["down"])) == (503, ["sessions"])
    page = httpx.get(
        f"http://{upload}:8080/console/login",
        headers={"Host": "files.example.com", "Accept": "text/html"},
    )
    assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
    refused = httpx.post(
        f"http://{upload}:8080/auth/oauth/token",
        headers={"Host": "files.example.com"},
        data={"grant_type": "client_credentials"},
        auth=("wharf-admin", "a-secret-that-nobody-can-compare-now"),
    )
    assert refused.status_code == 503, refused.text
    assert int(refused.headers["Retry-After"]) > 0
    for container in (AUTH, CONSOLE, UPLOAD, LIVE, IMAGES, GATEWAY, WORKER):
        state = json.loads(emptied.call("inspect", container).stdout)[0]
        assert (state["State"]["Running"], state["RestartCount"]) == (True, 0), container
