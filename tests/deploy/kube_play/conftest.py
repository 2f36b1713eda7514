"""A podman engine with Wharf's images, for all tests that run manifests."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.podman import Podman
from tests.servers.containers import IMAGES as NAMES
from tests.servers.containers import Images
from tests.servers.docker import Engine
from tests.servers.needs import lacking


@pytest.fixture(scope="package")
def podman(engine: Engine, images: Images) -> Iterator[Podman]:
    """Yield an engine with Wharf's images in separate storage."""
    if shutil.which("podman") is None:
        lacking("there is no podman; Debian: apt-get install podman catatonit runc")
    if os.geteuid():
        lacking("Secrets are laid out as root's, and their files need root")
    # Overlay mounts need a folder that is not on tmpfs.
    scratch = Path(tempfile.mkdtemp(prefix="wharf-podman-", dir="/var/tmp"))
    made = Podman(scratch)
    try:
        made.take_images({f"localhost/wharf-{name}:dev": getattr(images, name) for name in NAMES})
        yield made
    finally:
        made.take_down()
        shutil.rmtree(scratch, ignore_errors=True)
