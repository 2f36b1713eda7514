"""The configuration of all tests."""

from __future__ import annotations

import hypothesis

from tests.servers.object_stores import ceph_cluster, radosgw, radosgw_tls, swift

# The fixtures are here and not in the folders that use them, so that a session has one of each.
__all__ = ["ceph_cluster", "radosgw", "radosgw_tls", "swift"]

pytest_plugins = [
    "tests.session.order",
    "tests.session.skips",
    "tests.session.answers",
    "tests.session.garbage",
]

# A slow machine is no fault of the code, so no example has a deadline. In CI Hypothesis would draw
# the same examples each time. Instead the seed of a run is printed, and --hypothesis-seed=SEED
# repeats its examples.
hypothesis.settings.register_profile("wharf", deadline=None, derandomize=False, print_blob=True)
hypothesis.settings.load_profile("wharf")
