"""Provides a container engine and the images, once for all tests that run containers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import containers, docker
from tests.servers.containers import IMAGES, Images, Quartet
from tests.servers.docker import Engine


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Yield the machine's Docker engine, or start an engine for the tests."""
    with docker.engine() as found:
        yield found


@pytest.fixture(scope="session")
def images(engine: Engine) -> Iterator[Images]:
    """Yield Wharf's images, built from this checkout."""
    made = containers.build(engine)
    yield made
    engine.remove("image", [getattr(made, name) for name in IMAGES])


@pytest.fixture(scope="module")
def quartet(engine: Engine, images: Images) -> Iterator[Quartet]:
    """Run gateway, auth, console and upload for one module of tests."""
    with containers.quartet(engine, images, f"wharf-{containers.TAG}") as made:
        yield made
