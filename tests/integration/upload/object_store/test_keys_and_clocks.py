"""An object store that refuses the service because of wrong keys or a wrong clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import botocore.auth
import botocore.compat
import pytest

from servicekit.testing import Issuer
from tests.servers.faulty_store import FaultyStore
from tests.servers.object_stores import ObjectStore
from tests.servers.upload_on_s3 import OnS3, new_bucket
from wharf_upload.storage.s3 import keys, probe, signing

UNAVAILABLE = (503, "unavailable")


@pytest.fixture
def attentive(
    upload_data: Path,
    issuer: Issuer,
    proxy: FaultyStore,
    radosgw: ObjectStore,
    small_parts: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[OnS3]:
    """Yield a service with its own file of keys, which it reads for each request."""
    monkeypatch.setattr(keys, "_LOOK_SECONDS", 0)
    monkeypatch.setattr(probe, "_HOLDS_SECONDS", 0)
    scene = new_bucket(tmp_path, proxy, radosgw).scene(upload_data, issuer)
    yield scene
    scene.service.database.close()


def readiness(scene: OnS3) -> int:
    """Return the status of `/readyz`."""
    return scene.service.request("GET", "/readyz").status_code


@pytest.mark.parametrize("wrong", ["secret", "access key"])
def test_refused_keys(attentive: OnS3, wrong: str) -> None:
    """Wrong keys lead to 503 and not ready. Corrected keys in the file take
    effect without a restart.
    """
    file = attentive.bucket.key_file
    right = file.read_text()
    lines = right.splitlines()
    lines[wrong == "secret"] += "x"
    file.write_text("\n".join(lines))
    assert attentive.answer("small") == UNAVAILABLE
    assert attentive.answer("large") == UNAVAILABLE
    assert readiness(attentive) == 503
    file.write_text(right)
    assert readiness(attentive) == 200
    attentive.assert_nothing()
    assert attentive.answer("small") == (201, "")
    attentive.assert_files("small")


def test_no_keys_for_a_while(attentive: OnS3) -> None:
    """A file of keys that is empty for a moment, as while keys are written,
    does not affect uploads.
    """
    assert attentive.answer("small") == (201, "")
    attentive.bucket.key_file.write_text("")
    assert attentive.answer("small") == (201, "")
    attentive.assert_files("small")


@pytest.mark.parametrize("hours", [-1, 1])
def test_clock(attentive: OnS3, hours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is wrong by an hour leads to 503 and not ready, and the store's
    check names the clocks.

    When the time is right again, the service works.
    """
    real = botocore.compat.get_current_datetime
    with monkeypatch.context() as wrong:
        shim = SimpleNamespace(
            gmtime=lambda now=None: time.gmtime((now or time.time()) + 3600 * hours),
            strftime=time.strftime,
        )
        wrong.setattr(signing, "time", shim)
        wrong.setattr(
            botocore.auth, "get_current_datetime", lambda: real() + timedelta(hours=hours)
        )
        assert attentive.answer("small") == UNAVAILABLE
        assert attentive.answer("large") == UNAVAILABLE
        assert readiness(attentive) == 503
        assert "clocks" in str(attentive.service.store.check())
    assert readiness(attentive) == 200
    attentive.assert_nothing()
    assert attentive.answer("small") == (201, "")
    attentive.assert_files("small")
