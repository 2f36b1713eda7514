"""What all tests have in common."""

from __future__ import annotations

import hypothesis
import pytest

from tests.servers.object_stores import ceph_cluster, radosgw, radosgw_tls, swift

# Here, not in the folders that use them: a session has one of each.
__all__ = ["ceph_cluster", "radosgw", "radosgw_tls", "swift"]

# A slow machine is no fault of the code: no example has a deadline.
hypothesis.settings.register_profile("wharf", deadline=None)
hypothesis.settings.load_profile("wharf")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Leaves pytest's status in its memory: `.ci/run` looks there, since make passes on only 2."""
    cache = getattr(session.config, "cache", None)  # absent with -p no:cacheprovider
    if cache is not None:
        cache.set("wharf/status", int(exitstatus))
