"""Property test: no operation reaches a key outside the caller's grants.

The test sends requests to the upload application, and compares the results with a model of a few
lines: a dictionary of files, and a loop over grants.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servicekit.grants import Compact, CompactGrant
from servicekit.testing import Issuer
from tests.servers.granted_model import BUCKETS, PLACES, Model, Place, beside
from tests.servers.granted_run import Run, asked
from tests.servers.upload import UploadService, assemble, copy_database, settings_for

_GRANTS = st.lists(
    st.builds(
        CompactGrant,
        st.sampled_from([*BUCKETS, "*"]),
        st.sampled_from(["", "a", "a/", "a/b/", "b", "c/qx5"]),
        st.sampled_from(["r", "w", "d", "l", "rl", "rw", "rwd", "rwdl"]),
    ),
    max_size=3,
).map(tuple)
_PLACE = st.sampled_from(PLACES)
_OPERATIONS = st.one_of(
    st.tuples(
        st.sampled_from(
            [
                *("get", "metadata", "put", "spooled", "delete"),
                *("describe", "expire", "tus", "form", "ticket"),
            ]
        ),
        _PLACE,
        _PLACE,
    ),
    st.tuples(st.sampled_from(["move", "rename", "link"]), _PLACE, _PLACE),
    st.tuples(st.sampled_from(["list", "roll up", "open links", "look around"]), _PLACE, _PLACE),
)
_CHANGES = st.one_of(
    st.tuples(st.just("own"), _GRANTS | st.none(), st.booleans()),
    st.tuples(st.just("group"), _GRANTS, st.booleans()),
    st.tuples(st.just("member"), st.booleans(), st.booleans()),
)
_STEPS = st.lists(
    st.one_of(_OPERATIONS, _OPERATIONS, _OPERATIONS, _CHANGES), min_size=4, max_size=14
)
Step = tuple[str, object, object]


@pytest.fixture(scope="module")
def service(
    upload_template: Path, tmp_path_factory: pytest.TempPathFactory, issuer: Issuer
) -> Iterator[UploadService]:
    """Return one service for all runs; each run has its own tenant."""
    data = tmp_path_factory.mktemp("grants") / "data"
    copy_database(upload_template, data)
    most = 10**9
    found = assemble(
        settings_for(
            data,
            durability="relaxed",
            tenant_requests_per_minute=most,
            client_requests_per_minute=most,
        ),
        issuer,
    )
    yield found
    found.database.close()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(own=_GRANTS | st.none(), group=_GRANTS, is_member=st.booleans(), steps=_STEPS)
def test_no_operation_reaches_a_key_outside(
    service: UploadService,
    *,
    own: Compact | None,
    group: Compact,
    is_member: bool,
    steps: list[Step],
) -> None:
    """Each operation does exactly what the model does, and reveals and changes nothing else; a
    change that the feed announces applies from the next operation on.
    """
    run = Run(service, Model(own, group, is_member))
    for what, first, second in steps:
        if what in {"own", "group", "member"}:
            run.changed(what, first, renewed=bool(second))
            continue
        assert isinstance(first, tuple)
        assert isinstance(second, tuple)
        places: tuple[Place, Place] = (first, second)
        told = asked(run, what, *places)
        run.check(told, *places, beside(*places))
