"""The overlay single-node, run with podman; hosts files connect its pods as Services would."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import httpx

from tests.deploy.cluster import cluster
from tests.deploy.podman import Playable, Podman, pod_of

OVERLAY = "single-node"
GROUP = 10001
AUTH, UPLOAD = f"{pod_of('wharf-auth')}-auth", f"{pod_of('wharf-upload')}-upload"
CONSOLE = f"{pod_of('wharf-console')}-console"
LIVE, IMAGES = f"{pod_of('wharf-upload')}-live", f"{pod_of('wharf-upload')}-images"
GATEWAY, WORKER = f"{pod_of('wharf-upload')}-gateway", f"{pod_of('wharf-worker')}-worker"
JOBS = {"wharf-auth-migrate": "init", "wharf-upload-migrate": "migrate"}
WAIT_SECONDS = 120


class Played:
    """The overlay, run pod by pod; hosts files connect the pods as Services would."""

    def __init__(self, podman: Podman) -> None:
        self.podman = podman
        self.playable = Playable(cluster(OVERLAY))
        self.auth = self.console = self.upload = ""

    def start(self) -> None:
        """Create the volumes, run both Jobs to their end, and start the Deployments."""
        for name, files in self.playable.secrets.items():
            self.podman.lay_out_secret(name, files, GROUP)
        self.podman.play(self.playable.claims)
        for name, last in JOBS.items():
            self.podman.play([*self.playable.config, self.playable.job(name)])
            assert self.podman.wait(f"{name}-{last}") == 0, self.podman.all_logs()
        self.podman.play([*self.playable.config, self.playable.deployment("wharf-auth", {})])
        self.auth = self.podman.address(AUTH)
        self.podman.play([*self.playable.config, self.playable.deployment("wharf-console", {})])
        self.console = self.podman.address(CONSOLE)
        self.play_upload()

    def play_upload(self) -> None:
        hosts = {"wharf-auth": self.auth, "wharf-console": self.console}
        self.podman.play([*self.playable.config, self.playable.deployment("wharf-upload", hosts)])
        self.upload = self.podman.address(GATEWAY)
        # The console starts before upload and must know upload's address, so the test adds it now.
        self.podman.enter_host(CONSOLE, "wharf-console-door", self.upload)
        self.until_ready()

    def until_ready(self) -> None:
        """Wait until all startup probes would succeed."""
        urls = [f"http://{self.auth}:8082/readyz", f"http://{self.upload}:8083/readyz"]
        urls.append(f"http://{self.console}:8085/readyz")
        urls += [f"http://{self.upload}:{port}/readyz" for port in (8087, 8088)]
        urls.append(f"http://{self.upload}:8081/healthz")
        until(
            lambda: all(map(answers, urls)),
            lambda: f"{[url for url in urls if not answers(url)]}\n{self.podman.all_logs()}",
        )

    @property
    def url(self) -> str:
        return f"http://{self.upload}:8080"

    def token(self, client_id: str, secret: str) -> dict[str, str]:
        """Log in as a client, and return the `Authorization` field with its token."""
        answer = httpx.post(
            f"{self.url}/auth/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=(client_id, secret),
        )
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def administrator(self) -> dict[str, str]:
        """Log in as the administrator with the credentials of secrets.sh, and return the
        `Authorization` field.
        """
        (secret,) = [one for name, one in self.playable.secrets.items() if "credentials" in name]
        admin = json.loads(secret["credentials.json"])["admin"]
        return self.token(admin["client_id"], admin["client_secret"])


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def until(happens: Callable[[], bool], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not happens():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)
