"""Metrics of a Wharf on an object store, which count its requests to the store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.observed.scraping import scrape
from tests.e2e.observed.test_metrics_catalogue import STORE_SECTIONS, Row, catalogue, checked
from tests.servers.exposition import Exposition
from tests.servers.object_stores import ObjectStore
from tests.servers.wharf.api_client import SMALL
from tests.servers.wharf.instance import Wharf, running
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tenants import Signer

REQUESTS = "wharf_upload_store_requests_total"
BYTES = "wharf_upload_store_bytes_total"
READS = "wharf_gateway_store_reads_total"
#: More than Wharf sends in one PUT.
IN_PARTS = (64 << 20) + 1


@pytest.fixture(scope="module")
def settings(radosgw: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return settings with a new bucket."""
    return radosgw.settings(tmp_path_factory.mktemp("keys"))


_QUICK = {"WHARF_SWEEP_SECONDS": "1", "WHARF_DELETED_GRACE_SECONDS": "0"}


@pytest.fixture(scope="module")
def stored(settings: dict[str, str]) -> Iterator[Wharf]:
    """Start a Wharf with its blobs in a bucket."""
    with running(None, **settings, **_QUICK) as wharf:
        yield wharf


@pytest.fixture(scope="module")
def pages(stored: Wharf) -> dict[str, Exposition]:
    """Return the metrics of the Wharf `stored` after some traffic."""
    api = Signer(stored).client()
    api.stored("small", SMALL)
    api.stored("large", bytes(IN_PARTS))
    for _ in range(3):
        assert api.file("small").status == 200
    part = api.request("GET", "/v1/files/default/large", b"", {"Range": "bytes=0-9"})
    assert (part.status, len(part.body)) == (206, 10)
    assert api.delete("small").status == 204

    def complete() -> bool:
        upload, nginx = scrape(stored, "upload"), scrape(stored, "nginx")
        return (
            upload.sum(REQUESTS, operation="delete", outcome="ok") >= 1
            and nginx.sum(READS, code="200") >= 3
            and nginx.sum(READS, code="206") >= 1
        )

    assert until(complete, 30), scrape(stored, "nginx").text
    return {target: scrape(stored, target) for target in ("upload", "nginx")}


@pytest.mark.parametrize("target", ["upload", "nginx"])
def test_the_page_is_what_is_exported(pages: dict[str, Exposition], target: str) -> None:
    """The page lists exactly the exported metrics of an object store; promtool finds no error."""
    found = {
        Row(name, family.type, frozenset(pages[target].labels(name)))
        for name, family in pages[target].families.items()
        if "_store_" in name
    }
    assert found == catalogue(STORE_SECTIONS)[target]
    assert checked(pages[target]) == (0, "", "")


def test_requests_are_counted(pages: dict[str, Exposition]) -> None:
    """A small file needs one PUT; a large file needs its parts and three further requests.

    The counted bytes are the bytes of the files.
    """
    page = pages["upload"]
    counted = {
        operation: page.sum(REQUESTS, operation=operation, outcome="ok")
        for operation in ("put", "create_multipart", "upload_part", "complete_multipart", "head")
    }
    assert counted == {
        "put": 1,
        "create_multipart": 1,
        "upload_part": 5,
        "complete_multipart": 1,
        "head": 1,
    }
    assert page.sum(BYTES, operation="put", direction="sent") == len(SMALL)
    assert page.sum(BYTES, operation="upload_part", direction="sent") == IN_PARTS
    assert page.sum("wharf_upload_store_request_seconds_count", operation="upload_part") == 5


def test_what_is_known_begins_with_zero(pages: dict[str, Exposition]) -> None:
    """Series with known labels start at zero, so an alert on an increase sees the first event."""
    assert pages["upload"].values(REQUESTS, operation="put", outcome="denied") == [0]
    assert pages["nginx"].values(READS, code="403") == [0]


def test_the_store_is_no_service(pages: dict[str, Exposition]) -> None:
    """nginx's waiting time for the store has its own metric, apart from the services' time."""
    assert pages["nginx"].sum("wharf_gateway_store_first_byte_seconds_count") >= 4
    labels = {"operation": "download"}
    decided = pages["nginx"].sum("wharf_gateway_service_duration_seconds_count", **labels)
    assert decided >= 4


@pytest.mark.usefixtures("pages")
def test_a_refusal_is_counted(stored: Wharf, settings: dict[str, str]) -> None:
    """When the store refuses the keys, uploads get a 503, and Wharf counts a `denied` request."""
    path = Path(settings["WHARF_BLOB_KEY_FILE"])
    good = path.read_text()
    try:
        path.write_text("UNKNOWNKEY0000000000\nwrong\n")
        os.utime(path, (0, 0))
        api = Signer(stored).client()
        assert until(lambda: api.put("refused").status == 503, 30)
        assert until(
            lambda: scrape(stored, "upload").sum(REQUESTS, operation="put", outcome="denied") >= 1
        )
    finally:
        path.write_text(good)
