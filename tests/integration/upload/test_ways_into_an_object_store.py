"""Each kind of upload into an object store makes objects, and leaves no bytes of its files on the
disk.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from servicekit.testing import Issuer
from tests.servers.object_stores import ObjectStore
from tests.servers.receiver import receiving
from tests.servers.upload import UploadService, assemble, form_body, settings_for
from wharf_upload.bootstrap import open_store

_LARGE = os.urandom(300_000)


@pytest.fixture
def service(
    upload_data: Path, issuer: Issuer, radosgw: ObjectStore, tmp_path: Path
) -> Iterator[UploadService]:
    """Yield a service whose settings name a bucket."""
    names = {"WHARF_BLOB_URL": "blob_url", "WHARF_BLOB_KEY_FILE": "blob_key_file"}
    changes = {names[name]: value for name, value in radosgw.settings(tmp_path).items()}
    settings = settings_for(upload_data, durability="relaxed", **changes)
    found = assemble(settings, issuer, open_store(settings))
    yield found
    found.database.close()


def stored(service: UploadService) -> list[bytes]:
    """Return the contents of the bucket's objects."""
    contents = []
    for found in service.store.blobs():
        with service.store.open(found.name) as stream:
            contents.append(stream.read())
    return sorted(contents)


def local_files(service: UploadService) -> list[str]:
    """Return the files below the folders of bodies and blobs."""
    data = service.settings.data
    return [
        str(path)
        for folder in ("spool", "resumable", "staging", "tenants")
        for path in (data / folder).rglob("*")
        if path.is_file()
    ]


def test_files(service: UploadService) -> None:
    """A small file, an empty one and a spooled one become one object each, with their bytes."""
    assert service.put("small", b"small").status_code == 201
    assert service.put("empty", b"").status_code == 201
    digest = hashlib.sha256(_LARGE).hexdigest()
    assert digest in service.put("large", _LARGE, spooled=True).text
    assert stored(service) == sorted([b"", b"small", _LARGE])
    assert local_files(service) == []


def test_a_form(service: UploadService) -> None:
    """Each file of a form becomes an object, and a refused form leaves none."""
    files = [("one.bin", b"one"), ("two.bin", _LARGE), ("three.bin", b"")]
    assert service.post_form(form_body(files)).status_code == 201
    assert stored(service) == sorted(content for _, content in files)
    refused = service.post_form(
        form_body([("four.bin", b"four"), ("one.bin", b"taken")], {"on_conflict": "error"})
    )
    assert refused.status_code == 409
    assert len(stored(service)) == 3
    assert local_files(service) == []


def test_a_resumable_upload(service: UploadService) -> None:
    """A resumable upload grows on the disk, and becomes an object when it is complete."""
    with receiving(service) as receiver:
        address = receiver.create(len(_LARGE))
        assert receiver.patch(address, 0, _LARGE[:100_000]).status == 204
        assert stored(service) == []
        assert receiver.patch(address, 100_000, _LARGE[100_000:]).status == 204
    assert stored(service) == [_LARGE]
    assert local_files(service) == []


def test_a_refused_upload(service: UploadService) -> None:
    """A file with a wrong digest, or for a taken key, leaves no object."""
    wrong = {"Content-Digest": f"sha-256=:{'A' * 43}=:"}
    for spooled in (False, True):
        assert service.put("file", _LARGE, wrong, spooled=spooled).status_code == 400
    assert service.put("file", b"first").status_code == 201
    assert service.put("file", b"second", {"If-None-Match": "*"}).status_code == 412
    assert stored(service) == [b"first"]


def test_readiness(service: UploadService) -> None:
    """The service is ready without hard links, and makes no folders for blobs."""
    assert service.request("GET", "/readyz").status_code == 200
    assert not (service.settings.data / "tenants").exists()
    assert not (service.settings.data / "staging").exists()


def test_a_store_that_refuses(service: UploadService, tmp_path: Path) -> None:
    """When the store refuses the keys, the service is not ready, and an upload gets 503 with
    `Retry-After` and is not stored.
    """
    (tmp_path / "blob-keys").write_text("other\nkeys\n")
    service = assemble(service.settings, service.issuer, open_store(service.settings))
    ready = service.request("GET", "/readyz")
    assert ready.status_code == 503
    assert "WHARF_BLOB_KEY_FILE" in ready.text
    for spooled in (False, True):
        refused = service.put("file", _LARGE, spooled=spooled)
        assert refused.status_code == 503
        assert "Retry-After" in refused.headers
    service.database.close()
