"""Compares docs/metrics.md with the metrics of a running Wharf, and checks them with promtool."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.observed.conftest import observed
from tests.e2e.observed.scraping import scrape
from tests.servers.exposition import Exposition
from tests.servers.otlp import Collector
from tests.servers.wharf.api_client import LARGE, SMALL, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.live_client import Listener, listening
from tests.servers.wharf.multipart_body import file_part
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tenants import Signer

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
TARGETS = ("upload", "auth", "console", "live", "images", "nginx", "gateway")
# Sections of the page, and the targets that export their metrics.
SECTIONS = {
    "What clients saw": ("nginx",),
    "Quotas": ("upload",),
    "All services": ("upload", "auth", "console"),
    "Both APIs": ("upload", "auth"),
    "Uploads": ("upload",),
    "The worker": ("upload",),
    "auth": ("auth",),
    "The console": ("console",),
    "The live channel": ("live",),
    "Small pictures": ("images",),
    "The gateway's supervisor": ("gateway",),
}
# This Wharf has no object store: test_object_store.py tests these sections.
STORE_SECTIONS = {
    "Requests to the object store": ("upload",),
    "Reads from the object store": ("nginx",),
}
# This Wharf has no TLS: tests/e2e/tls tests these sections.
TLS_SECTIONS = {"The certificate of the public port": ("gateway",)}
_ROW = re.compile(r"\| `(?P<name>wharf_\w+)` \| (?P<type>\w+) \|(?P<labels>[^|]*)\|")
# The most series of one target. A setting bounds the values of the label for tenants, and the code
# bounds the values of all other labels.
_MOST_SERIES = 1500


class Row(NamedTuple):
    name: str
    type: str
    labels: frozenset[str]


def catalogue(sections: Mapping[str, tuple[str, ...]] = SECTIONS) -> dict[str, set[Row]]:
    """Return the metrics that these sections of the page list for each target."""
    found: dict[str, set[Row]] = {target: set() for target in TARGETS}
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        title = section.partition("\n")[0].partition(":")[0]
        for match in _ROW.finditer(section):
            # The texts in parentheses are values of labels and not names.
            names = re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", match["labels"]))
            row = Row(match["name"], match["type"], frozenset(names))
            assert title in SECTIONS | STORE_SECTIONS | TLS_SECTIONS
            for target in sections.get(title, ()):
                found[target].add(row)
    return found


def listened_to(wharf: Wharf, api: ApiClient, signer: Signer) -> None:
    """Cause a refused live connection, and one that another tenant's token ends."""
    assert Listener(wharf.port, None).connect().refusal
    with listening(api, 0) as listener:
        listener.client.emit("msg", {"op": "token", "token": signer.token()})
        assert listener.farewell() == "forbidden"


@pytest.fixture(scope="module")
def wharf(collector: Collector) -> Iterator[Wharf]:
    """Start a Wharf that has served no request yet, so all counters begin at zero."""
    with observed(collector) as found:
        yield found


@pytest.fixture(scope="module")
def signer(wharf: Wharf) -> Signer:
    return Signer(wharf)


@pytest.fixture(scope="module")
def pages(wharf: Wharf, signer: Signer) -> dict[str, Exposition]:
    """Return the metrics of all targets after some traffic of every kind."""
    api = signer.client()
    api.put("small", SMALL)
    api.put("large", LARGE)
    api.post(file_part("form.txt"))
    begun = api.put("resumed", b"", {"Upload-Complete": "?0"})
    last = {"Upload-Offset": "0", "Upload-Complete": "?1"}
    partial = {"Content-Type": "application/partial-upload", **last}
    assert api.request("PATCH", begun.header("Location"), SMALL, partial).status == 201
    api.file("small")
    api.file("absent")
    listened_to(wharf, api, signer)
    demo = wharf.credentials("demo")
    assert api.login(demo["client_id"], demo["client_secret"]).status == 200

    def complete() -> bool:
        upload = scrape(wharf, "upload")
        return (
            upload.sum("wharf_uploads_total", outcome="stored") >= 4
            and upload.sum("wharf_sweeper_runs_total", result="done") >= 1
            # The worker counts files every 15 s.
            and upload.sum("wharf_tenant_used_files") >= upload.sum("wharf_upload_files_total")
            and "wharf_sweeper_last_success_timestamp_seconds" in upload.families
            and scrape(wharf, "nginx").sum("wharf_tenant_requests_total") >= 6
            and scrape(wharf, "nginx").sum("wharf_nginx_up") == 1
        )

    assert until(complete, 60)
    return {target: scrape(wharf, target) for target in TARGETS}


@pytest.mark.parametrize("target", TARGETS)
def test_the_page_is_what_is_exported(pages: dict[str, Exposition], target: str) -> None:
    """Wharf exports each metric of the page with type and labels, and no other metric."""
    found = {
        Row(name, family.type, frozenset(pages[target].labels(name)))
        for name, family in pages[target].families.items()
    }
    assert found == catalogue()[target]


def checked(page: Exposition) -> tuple[int, str, str]:
    """Return exit code, output and errors of `promtool check metrics`."""
    assert shutil.which("promtool"), "prepare.sh test installs Debian's prometheus"
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=page.text,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_promtool_finds_no_fault(pages: dict[str, Exposition], target: str) -> None:
    """`promtool check metrics` reports no error in names, units, types or help."""
    assert checked(pages[target]) == (0, "", "")


def test_series_are_few(pages: dict[str, Exposition]) -> None:
    """Each target exports fewer than 1,500 series."""
    for target, page in pages.items():
        series = sum(len(family.samples) for family in page.families.values())
        assert series < _MOST_SERIES, target


def test_uploads_are_told_apart(pages: dict[str, Exposition]) -> None:
    """Each protocol has its own counts of uploads, files and bytes, and each stage is measured."""
    page = pages["upload"]
    for protocol, size in (("raw", len(LARGE) + len(SMALL)), ("form", 1), ("ietf", len(SMALL))):
        assert page.sum("wharf_uploads_total", protocol=protocol, outcome="stored") >= 1
        assert page.sum("wharf_upload_files_total", protocol=protocol) >= 1
        assert page.sum("wharf_upload_stored_bytes_total", protocol=protocol) >= size
    for stage in ("admission", "receive", "hash", "fsync", "commit"):
        # The service hashes forms while it reads them.
        times = 3 if stage == "hash" else 4
        assert page.sum("wharf_upload_stage_duration_seconds_count", stage=stage) >= times
    stored = page.sum("wharf_upload_files_total")
    assert page.sum("wharf_tenant_used_files") >= stored
    assert page.sum("wharf_commit_group_size_count") >= 4
    assert page.sum("wharf_receiver_received_bytes_total") >= len(SMALL)


def test_what_is_known_begins_with_zero(pages: dict[str, Exposition]) -> None:
    """Series with known labels start at zero, so an alert on an increase sees the first event."""
    upload = pages["upload"]
    assert upload.values("wharf_problems_total", slug="storage-failed") == [0]
    assert upload.values("wharf_uploads_total", protocol="tus", outcome="failed") == [0]
    assert upload.values("wharf_database_errors_total", kind="out_of_space") == [0]
    assert pages["auth"].values("wharf_ratelimit_hits_total", policy="login-network") == [0]
    assert pages["nginx"].values("wharf_gateway_refusals_total", code="502") == [0]
