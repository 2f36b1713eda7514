"""An object store that cannot be used: `/readyz` states the reason in plain words."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from servicekit.ids import uuid7_hex
from tests.servers.object_store_drivers import object_driver
from tests.servers.object_stores import ObjectStore
from tests.servers.stores import OBJECT_STORES
from wharf_upload.storage.base import BlobName, StoreUnavailable
from wharf_upload.storage.s3 import keys, probe, signing
from wharf_upload.storage.s3.store import S3Store


@pytest.fixture(params=OBJECT_STORES)
def server(request: pytest.FixtureRequest) -> ObjectStore:
    """Return a server of objects."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, ObjectStore)
    return found


def words(store: S3Store) -> str:
    """Return the error of the check, which must be the same as the error of an upload."""
    said = store.check()
    assert said is not None
    with pytest.raises(StoreUnavailable) as raised:
        store.put(BlobName("demo", uuid7_hex()), b"x")
    assert str(raised.value) == said
    return said


def test_wrong_secret(server: ObjectStore, tmp_path: Path) -> None:
    """Refused keys are reported with the name of the setting, and without the keys."""
    wrong = replace(server, secret_key="not-the-secret")
    said = words(object_driver(wrong, tmp_path, server.new_bucket()))
    assert "WHARF_BLOB_KEY_FILE" in said
    assert server.access_key not in said
    assert wrong.secret_key not in said


def test_no_bucket(server: ObjectStore, tmp_path: Path) -> None:
    """A missing bucket is reported differently from a missing blob."""
    assert "no such bucket" in words(object_driver(server, tmp_path, "no-such-bucket"))


def test_clock(server: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is wrong by an hour is reported as such, and not as refused keys."""
    store, real = object_driver(server, tmp_path), signing._stamp
    monkeypatch.setattr(signing, "_stamp", lambda _: real(time.time() - 3600))
    assert "clock" in words(store)


def test_unreachable(radosgw: ObjectStore, tmp_path: Path) -> None:
    """A port without a listener is reported as a store that cannot be reached."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    nobody = radosgw.behind(f"http://127.0.0.1:{port}")
    assert "cannot be reached" in words(object_driver(nobody, tmp_path, "any"))


def test_untrusted_certificate(radosgw_tls: ObjectStore, tmp_path: Path) -> None:
    """A certificate of an unknown authority ends the connection, and the
    error names the setting.
    """
    store = object_driver(replace(radosgw_tls, ca=""), tmp_path, radosgw_tls.new_bucket())
    assert "WHARF_BLOB_CA" in words(store)
    with pytest.raises(StoreUnavailable, match="WHARF_BLOB_CA"):
        list(store.blobs())


def test_no_tls(radosgw: ObjectStore, tmp_path: Path) -> None:
    """A port without TLS is reported with the setting that has the port."""
    other = radosgw.behind(radosgw.endpoint.replace("http:", "https:"))
    assert "WHARF_BLOB_URL" in words(object_driver(other, tmp_path, "any"))


@pytest.mark.parametrize(("content", "said"), [(None, "cannot be read"), ("x", "no certificates")])
def test_no_authority(radosgw: ObjectStore, tmp_path: Path, content: str | None, said: str) -> None:
    """A file of certificates that is missing, or that has no certificate, is
    reported and not ignored.
    """
    ca = tmp_path / "ca.pem"
    if content is not None:
        ca.write_text(content)
    other = replace(radosgw, endpoint="https://127.0.0.1:1", ca=str(ca))
    assert said in words(object_driver(other, tmp_path, "any"))


def test_a_profile_of_whoever_runs_it(
    radosgw: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither AWS_PROFILE, nor another variable of AWS's tools, nor HTTP_PROXY changes the
    settings.
    """
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "other")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    store = object_driver(radosgw, tmp_path)
    store.put(BlobName("demo", uuid7_hex()), b"x")
    assert len(list(store.blobs())) == 1


def test_keys_that_are_corrected(
    radosgw: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Corrected keys are used without a restart, by all kinds of requests."""
    monkeypatch.setattr(keys, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(probe, "_HOLDS_SECONDS", 0.0)
    store = object_driver(replace(radosgw, secret_key="old"), tmp_path, radosgw.new_bucket())
    assert "WHARF_BLOB_KEY_FILE" in words(store)
    with pytest.raises(StoreUnavailable):
        list(store.blobs())
    new = tmp_path / "new"
    new.touch(0o600)
    new.write_text(f"{radosgw.access_key}\n{radosgw.secret_key}\n")
    os.replace(new, tmp_path / "blob-keys")
    assert store.check() is None
    store.put(BlobName("demo", uuid7_hex()), b"x")
    assert len(list(store.blobs())) == 1
