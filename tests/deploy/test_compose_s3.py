"""docker-compose.yml with the profile `s3`, which keeps the bytes in an object store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import engines
from tests.deploy.composing import ROOT, available, docker
from tests.deploy.stack import (
    CREDENTIALS,
    METADATA,
    TAKE_DOWN,
    TOKEN,
    UPLOAD,
    Stack,
    published,
    running,
)
from tests.servers.code_blocks import blocks
from tests.servers.containers import Images
from tests.servers.needs import lacking

# Images may have to be built first.
pytestmark = [pytest.mark.timeout(900), pytest.mark.story]
START = blocks("docs/compose.md", "On an object store")[0]
SERVICES = {"auth", "console", "store"} | {
    f"{kind}-s3" for kind in ("upload", "live", "images", "worker", "gateway")
}


@pytest.fixture(scope="module")
def settings(images: Images) -> Iterator[dict[str, str]]:
    """Yield the variables of docker-compose.yml, with a store image made of this machine's Ceph."""
    if not available():
        lacking("there is no Compose; Debian: apt-get install docker-compose")
    tag = images.upload.rpartition(":")[2]
    base = engines.ceph(f"wharf-test-ceph:{tag}", images.python_base)
    mine = [base, f"wharf-store:{tag}"]
    docker(
        *("build", "--quiet", "--network", "none", "--tag", mine[1], "--build-arg"),
        *(f"BASE_IMAGE={base}", "--file", f"{ROOT}/deploy/store/Dockerfile", str(ROOT)),
    )
    yield {"WHARF_VERSION": tag, "COMPOSE_PROFILES": "s3", "WHARF_HEALTH_INTERVAL": "3s"}
    docker("rmi", "--force", *mine)


@pytest.fixture(scope="module")
def stack(settings: dict[str, str]) -> Iterator[Stack]:
    """Start the stack as docs/compose.md says, and upload the tour's file."""
    made = Stack(settings)
    try:
        made.prints(START)
        made.await_health("gateway-s3")
        made.prints(CREDENTIALS, TOKEN, UPLOAD, METADATA)
        yield made
    finally:
        made.remove()


def test_up(stack: Stack) -> None:
    """One command starts all services and a store, and opens one port of this machine."""
    assert running(stack) == SERVICES
    assert published(stack) == {"gateway-s3": {("127.0.0.1", str(stack.port))}}


def test_bytes_are_on_the_store(stack: Stack, tmp_path: Path) -> None:
    """An uploaded file can be downloaded, and is not on the gateway's disk."""
    assert stack.fetches(tmp_path)
    listed = docker(
        "exec", stack.container("gateway-s3"), "find", "/data", "-type", "f", "-size", "+1k"
    )
    assert listed == ""


def test_small_pictures(stack: Stack) -> None:
    """A listener receives the event of a picture in the store, and can get the small picture."""
    for kind in ("live", "images"):
        stack.await_health(f"{kind}-s3")
    stack.hears_and_sees("picture.jpg")


def test_a_store_that_starts_again(stack: Stack, tmp_path: Path) -> None:
    """The store still has all bytes after a restart."""
    stack.shell("docker compose restart store")
    stack.await_health("store")
    assert stack.fetches(tmp_path)


def test_contained(stack: Stack) -> None:
    """The store runs like every other container, without rights and with a read-only image."""
    stack.check_contained("store")


def test_keys(stack: Stack) -> None:
    """Only one group can read the store's keys; no gateway and no environment has them."""
    upload, gateway = stack.container("upload-s3"), stack.container("gateway-s3")
    access_key, secret_key = docker("exec", upload, "cat", "/secrets/blob-keys").split()
    assert (len(access_key), len(secret_key)) == (20, 64)
    said = docker("inspect", *(one["Id"] for one in stack.containers().values()))
    assert access_key not in said
    assert secret_key not in said
    listed = docker(
        "exec", stack.container("upload-s3"), "stat", "-c", "%a %u %g", "/secrets/blob-keys"
    )
    assert listed.strip() == "440 0 10001"
    gateway = docker("exec", stack.container("gateway-s3"), "sh", "-c", "ls /secrets 2>&1; exit 0")
    assert "No such file" in gateway


def test_taken_down(stack: Stack) -> None:
    """The command of docs/compose.md leaves no container, volume or network of this profile."""
    stack.shell(TAKE_DOWN)
    assert (stack.containers(), stack.volumes(), stack.networks()) == ({}, [], [])
