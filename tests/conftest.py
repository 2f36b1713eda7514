"""What all tests have in common."""

from __future__ import annotations

import hypothesis

from tests.servers.object_stores import ceph_cluster, radosgw, radosgw_tls, swift

# Here, not in the folders that use them: a session has one of each.
__all__ = ["ceph_cluster", "radosgw", "radosgw_tls", "swift"]

pytest_plugins = [
    "tests.session.order",
    "tests.session.skips",
    "tests.session.answers",
    "tests.session.garbage",
]

# A slow machine is no fault of the code: no example has a deadline. Hypothesis itself would draw
# the same examples each time in CI; a run's seed is printed instead, and --hypothesis-seed=SEED
# repeats them.
hypothesis.settings.register_profile("wharf", deadline=None, derandomize=False, print_blob=True)
hypothesis.settings.load_profile("wharf")
