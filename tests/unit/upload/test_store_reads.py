"""Tests of the reads from the object store that nginx's log lines report."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.exposition import Exposition
from tests.unit.upload.test_collecting import NOWHERE, line
from wharf_upload.observability.nginx_logs.collector import LINES, TEXT, Collector
from wharf_upload.observability.nginx_logs.requests import STORE_CODES, Counted, parse

READS = "wharf_gateway_store_reads_total"
FIRST_BYTE = "wharf_gateway_store_first_byte_seconds"


def counted_in(folder: Path, *lines: bytes, object_store: bool = True) -> Exposition:
    """Return the metrics that the collector makes of these lines."""
    folder.joinpath(LINES).write_bytes(b"".join(lines))
    Collector(folder, NOWHERE, most_tenants=20, object_store=object_store).step()
    return Exposition(folder.joinpath(TEXT).read_text())


@pytest.mark.parametrize(
    ("header", "statuses", "code", "first_byte", "service"),
    [
        ("0.004 : 0.120", "200 : 206", "206", 0.120, 0.004),
        ("0.120", "200", "200", 0.120, None),
        ("0.004 : -", "200 : 502", "502", None, 0.004),
        ("0.004 : -, 0.030", "200 : 502, 206", "206", 0.030, 0.004),
        ("0.004 : 0.001", "200 : 418", "other", 0.001, 0.004),
        ("0.004 : -", "200 : -", "other", None, 0.004),
    ],
)
def test_the_last_upstream_is_the_store(
    header: str, statuses: str, code: str, first_byte: float | None, service: float | None
) -> None:
    """The last upstream's time counts as a read of the store, and not as the service's time."""
    # The end of the response depends on the client, so its time is not counted.
    response = header.replace("0.120", "9.5")
    text = line(header=header, response=response, bytes_from="store", statuses=statuses)
    found = parse(text.strip())
    assert (found.store_code, found.store_seconds) == (code, first_byte)
    assert found.service_seconds == (service if service is None else pytest.approx(service))


@pytest.mark.parametrize(
    ("seconds", "statuses", "code"),
    [
        ("0.050", "200 : -", ""),
        ("2.999", "200 : 502, -", ""),
        ("3.001", "200 : -", "other"),
        ("0.050", "200 : 206", "206"),
    ],
)
def test_clients_that_leave(seconds: str, statuses: str, code: str) -> None:
    """A client that disconnects before the store could respond is not a failed read.

    Otherwise any person with a link could raise the alert.
    """
    text = line(
        code="499", seconds=seconds, header="0.004 : -", bytes_from="store", statuses=statuses
    )
    assert parse(text.strip()).store_code == code


def test_bytes_from_the_disk_are_no_read() -> None:
    """A read from the disk that nginx does over HTTP counts as no read of the store."""
    text = line(header="0.004 : 0.001", response="0.004 : 9.5", bytes_from="disk")
    found = parse(text.strip())
    assert (found.store_code, found.store_seconds) == ("", None)
    assert found.service_seconds == pytest.approx(0.004)


def test_reads_are_exported(tmp_path: Path) -> None:
    """Reads are counted for each status of the store, even 0 reads, with the time to first byte."""
    page = counted_in(
        tmp_path,
        line(),
        line(header="0.004 : 0.120", bytes_from="store", statuses="200 : 206"),
        line(header="0.004 : 0.060", bytes_from="store", statuses="200 : 206"),
        line(header="0.004 : -", code="503", bytes_from="store", statuses="200 : 504"),
    )
    assert page.values(READS, code="206") == [2]
    assert page.values(READS, code="504") == [1]
    assert page.values(READS, code="403") == [0]
    assert len(page.values(READS)) == len(STORE_CODES)
    assert page.values(f"{FIRST_BYTE}_count") == [2]
    assert page.values(f"{FIRST_BYTE}_bucket", le="0.1") == [1]


def test_counts_go_on_after_a_restart(tmp_path: Path) -> None:
    """The counts of reads continue after a restart."""
    counted_in(tmp_path, line(header="0.004 : 0.1", bytes_from="store", statuses="200 : 200"))
    Collector(tmp_path, NOWHERE, most_tenants=20, object_store=True).step()
    assert Exposition((tmp_path / TEXT).read_text()).values(READS, code="200") == [1]


def test_a_wharf_on_the_disk_has_no_reads(tmp_path: Path) -> None:
    """Without an object store there are no metrics of reads."""
    page = counted_in(tmp_path, line(), object_store=False)
    assert not [name for name in page.families if "store" in name]


@pytest.mark.parametrize("left_out", [1, 3])
def test_lines_of_releases_before_are_read(left_out: int) -> None:
    """Lines of earlier releases without the last fields are counted."""
    counted = Counted()
    counted.add(line().rsplit(b"\t", left_out)[0])
    assert counted.lines == {"counted": 1, "malformed": 0, "lost": 0}
    assert set(counted.store_reads.values()) == {0}
