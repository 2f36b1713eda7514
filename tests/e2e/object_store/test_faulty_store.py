"""A Wharf in front of a faulty store: clients get problems, and never wrong bytes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import IncompleteRead
from pathlib import Path

import pytest

from tests.servers.faulty_store import FaultyStore, answer, half, late, silent
from tests.servers.object_stores import ObjectStore
from tests.servers.wharf.api_client import LARGE, Answer, ApiClient
from tests.servers.wharf.instance import Wharf, running
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tenants import Signer

# The file is larger than the part that nginx reads ahead.
_LARGER = LARGE * 30
# This number is below the number of the process's threads: other requests need a thread.
_SILENT_UPLOADS = 4


@pytest.fixture(scope="module")
def faulty(radosgw: ObjectStore) -> Iterator[FaultyStore]:
    """Yield the proxy between this Wharf and the store."""
    with FaultyStore(radosgw.endpoint) as proxy:
        yield proxy


@pytest.fixture
def proxy(faulty: FaultyStore) -> Iterator[FaultyStore]:
    """Yield the proxy, which makes no faults before the test orders some, and none afterwards."""
    faulty.heal()
    yield faulty
    faulty.heal()


@pytest.fixture(scope="module")
def settings(
    radosgw: ObjectStore, faulty: FaultyStore, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Return the settings for this Wharf's blobs."""
    bucket, folder = radosgw.new_bucket(), tmp_path_factory.mktemp("keys")
    return {
        "WHARF_BLOB_URL": radosgw.behind(faulty.endpoint).url(bucket),
        "WHARF_BLOB_KEY_FILE": str(radosgw.key_file(folder)),
        # With one process, the next request uses the
        # knowledge of the store that the last request gained.
        "WHARF_UPLOAD_PROCESSES": "1",
    }


# The fixtures `wharf` and `api` replace those of conftest.py.
@pytest.fixture(scope="module")
def wharf(settings: dict[str, str]) -> Iterator[Wharf]:
    """Start a Wharf for this file's tests only."""
    with running(None, **settings) as found:
        yield found


@pytest.fixture
def api(wharf: Wharf) -> ApiClient:
    """Return a client of a tenant that only this test uses."""
    return Signer(wharf).client()


def check_problem(found: Answer) -> None:
    """Check that the response is a 503 with Retry-After that reveals nothing of the store."""
    found.problem(503, "unavailable")
    assert int(found.header("Retry-After")) > 0
    for word in (b"SlowDown", b"AccessDenied", b"Signature", b"wharf-"):
        assert word not in found.body


def test_busy_store(api: ApiClient, proxy: FaultyStore) -> None:
    """A busy store causes a 503 for uploads and downloads, and both work again afterwards."""
    api.stored("before", LARGE)
    proxy.order("*", last=answer(503, "SlowDown"))
    check_problem(api.put("small", b"small"))
    check_problem(api.put("large", LARGE))
    check_problem(api.file("before"))
    check_problem(api.file("before", {"Range": "bytes=5-9"}))
    proxy.heal()
    assert api.file("before").body == LARGE
    assert [api.file(key).status for key in ("small", "large")] == [404, 404]
    api.stored("small", b"small")


def test_late_answer(api: ApiClient, proxy: FaultyStore) -> None:
    """Wharf waits for a slow store."""
    proxy.order("*", last=late(1))
    api.stored("file", LARGE)
    assert api.file("file").body == LARGE


def test_half_an_answer(api: ApiClient, proxy: FaultyStore) -> None:
    """A file whose bytes break off at the store never looks complete to its reader."""
    api.stored("file", _LARGER)
    proxy.order("get", half)
    with pytest.raises(IncompleteRead):
        api.file("file")
    assert api.file("file").body == _LARGER


def test_refused_keys(api: ApiClient, settings: dict[str, str]) -> None:
    """Keys that the store refuses cause a 503; corrected keys are used without a restart."""
    api.stored("file", LARGE)
    file = Path(settings["WHARF_BLOB_KEY_FILE"])
    right = file.read_text()
    file.write_text(right.replace("secret", "Secret"))
    try:
        assert until(lambda: api.file("file").status == 503)
        check_problem(api.file("file"))
        assert until(lambda: api.put("other", LARGE).status == 503)
        check_problem(api.put("other", LARGE))
    finally:
        file.write_text(right)
    assert until(lambda: api.put("other", LARGE).status == 201)
    assert until(lambda: api.file("file").status == 200)
    assert api.file("file").body == LARGE


def test_silent_store(api: ApiClient, proxy: FaultyStore) -> None:
    """Uploads to a silent store get a 503; requests that need no PUT to the store still work."""
    api.stored("before", b"before")
    proxy.order("put", last=silent)
    with ThreadPoolExecutor(_SILENT_UPLOADS) as pool:
        uploads = [
            pool.submit(api.put, f"file-{number}", LARGE) for number in range(_SILENT_UPLOADS)
        ]
        assert api.listed() == ["before"]
        assert api.file("before").body == b"before"
        assert not all(upload.done() for upload in uploads)
    for upload in uploads:
        check_problem(upload.result())
    proxy.heal()
    assert until(lambda: api.put("after", LARGE).status == 201)
    assert api.listed() == ["after", "before"]
