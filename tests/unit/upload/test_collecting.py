"""Tests of the collector: nginx's log lines, the tenants' labels, and restarts."""

from __future__ import annotations

import errno
import json
import os
import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit import atomic_file
from tests.servers.exposition import Exposition
from wharf_upload.observability.nginx_logs.collector import (
    LINES,
    STATE,
    TEXT,
    Collector,
)
from wharf_upload.observability.nginx_logs.lines import Lines
from wharf_upload.observability.nginx_logs.requests import Counted, Line, parse
from wharf_upload.observability.nginx_logs.tenants import NOBODY, OTHERS, Tenants

NOWHERE = "http://127.0.0.1:9/nginx_status"


def line(
    operation: str = "download",
    code: str = "200",
    who: str = "acme/client-1",
    header: str = "0.001",
    response: str = "0.002",
    received: int = 300,
    denied: str = "",
    bytes_from: str = "",
    statuses: str = "200",
    seconds: str = "0.020",
    reservation: str = "",
) -> bytes:
    """Return a line as nginx writes it."""
    fields = (
        operation,
        "GET",
        code,
        "OK",
        seconds,
        header,
        response,
        "",
        denied,
        received,
        700,
        who,
        bytes_from,
        statuses,
        reservation,
    )
    return "\t".join(map(str, fields)).encode() + b"\n"


def request(tenant: str, size: int = 0, code: str = "200") -> Line:
    """Return a parsed request of a tenant with this many bytes."""
    return parse(line(who=f"{tenant}/x", received=size, code=code).strip())


# ---- lines ----


def test_each_line_is_read_once(tmp_path: Path) -> None:
    """Each line is read once.

    This applies to partial lines, to a file with holes, and to a new reader that continues.
    """
    path = tmp_path / LINES
    lines = Lines(path)
    assert lines.read() == []
    read: list[bytes] = []
    written = [f"line {number} {'x' * (number % 50)}".encode() for number in range(3000)]
    content = b"".join(one + b"\n" for one in written)
    with path.open("ab", buffering=0) as file:
        for start in range(0, len(content), 7001):
            file.write(content[start : start + 7001])
            read += lines.read()
            if start % 3 == 0:
                lines.forget()
            if start % 5 == 0:
                lines.close()
                lines = Lines(path, lines.inode, lines.offset)
    assert read + lines.read() == written
    lines.forget()
    assert os.stat(path).st_size == len(content)
    lines.close()


def test_what_was_read_takes_no_room(tmp_path: Path) -> None:
    """The log file keeps its length, but the disk blocks of lines that were read are freed."""
    path = tmp_path / LINES
    path.write_bytes(line() * 20_000)
    before = os.stat(path).st_blocks
    lines = Lines(path)
    while lines.read():
        pass
    lines.forget()
    assert os.stat(path).st_blocks < before / 10
    # A new reader starts after the hole, and reads at most the last block again.
    fresh = Lines(path)
    assert len(fresh.read()) < 100


def test_an_emptied_file_begins_anew(tmp_path: Path) -> None:
    """After the log file was emptied or replaced, every new line is read."""
    path = tmp_path / LINES
    path.write_bytes(b"one\ntwo\n")
    lines = Lines(path)
    assert lines.read() == [b"one", b"two"]
    path.write_bytes(b"new\n")
    assert lines.read() == [b"new"]
    path.unlink()
    assert lines.read() == []
    path.write_bytes(b"other\n")
    assert lines.read() == [b"other"]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"x",
        b"\t" * 11,
        line(operation="invented"),
        line(code="abc"),
        line().replace(b"OK", b"\t"),
    ],
)
def test_malformed_lines_are_counted(text: bytes) -> None:
    """A malformed line is counted as malformed, and later lines are still counted."""
    counted = Counted()
    counted.add(text.strip(b"\n"))
    counted.add(line().strip())
    assert counted.lines == {"counted": 1, "malformed": 1, "lost": 0}


def test_times_of_several_upstreams_add_up() -> None:
    """The service's time is the sum of all upstreams' times and of the admission's own field."""
    text = b"upload_large\tPUT\t201\tOK\t3.5\t0.010 : 0.2\t0.015, 0.25\t0.005\t\t9\t9\tacme/c"
    assert parse(text).service_seconds == pytest.approx(0.27)


def test_who_answered() -> None:
    """A response without an upstream's time is from nginx, unless the admission refused."""
    assert parse(line(header="", code="411").strip()).service_seconds is None
    assert parse(line(header="-", code="502").strip()).service_seconds is None
    assert parse(line(header="", code="412", denied="412").strip()).service_seconds is not None


def test_listeners() -> None:
    """A live connection's time counts in no duration and no tenant's share. The status 101 counts
    as a success.
    """
    counted = Counted()
    for code in ("101", "200"):
        text = line(operation="live", code=code, who="acme/ada").strip().replace(b"0.002", b"7200")
        counted.add(text)
    live = counted.operations["live"]
    assert live.answers["2xx"] == sum(live.answers.values()) == 2
    assert sum(live.durations.counts) == sum(live.service_durations.counts) == 0
    assert counted.tenants.named["acme"].service_seconds == 0.0


# ---- tenants ----


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 10**6), st.booleans()), max_size=200),
    st.integers(0, 5),
)
def test_no_counter_falls_and_nothing_is_lost(
    requests: list[tuple[int, int, bool]], most: int
) -> None:
    """Labels are few, no counter falls, and current and past labels count every request once."""
    tenants = Tenants(most=most)
    before: dict[str, int] = {}
    for number, (tenant, size, rank) in enumerate(requests, 1):
        tenants.add(request(f"t{tenant}" if tenant else "", size))
        if rank:
            tenants.rank()
        shown = {label: sum(one.answers.values()) for label, one in tenants.shown().items()}
        gone = sum(sum(one.answers.values()) for one in tenants.past.values())
        assert len(shown) <= most + 2
        assert sum(shown.values()) + gone == number
        for label in before.keys() & shown.keys():
            assert shown[label] >= before[label]
        before = shown


def test_the_busiest_have_labels() -> None:
    """A tenant that becomes one of the busiest takes another tenant's label at the next ranking."""
    tenants = Tenants(most=3)
    for number in range(50):
        tenants.add(request(f"quiet-{number}", 1000))
    for _ in range(100):
        tenants.add(request("noisy", 10**6))
    assert "noisy" not in tenants.named
    tenants.rank()
    assert "noisy" in tenants.named
    assert len(tenants.named) == 3
    tenants.add(request("noisy", 10**6))
    # The requests before the label count in the rest, so the new label's counter starts at 0.
    assert tenants.named["noisy"].answers == {"2xx": 1}
    assert tenants.shown()[OTHERS].answers["2xx"] >= 100


def test_labels_do_not_flutter() -> None:
    """Tenants that are about as busy as the labelled ones do not take their labels."""
    tenants, dice = Tenants(most=5), random.Random(1)
    for number in range(5):
        tenants.add(request(f"t{number}", 10**6))
    for _ in range(30):
        for number in range(10):
            tenants.add(request(f"t{number}", 10**6 + dice.randrange(200_000)))
        tenants.rank()
    assert set(tenants.named) == {f"t{number}" for number in range(5)}


def test_memory_is_bounded() -> None:
    """100,000 tenants with one request each leave a bounded number of entries."""
    tenants = Tenants(most=20)
    for number in range(100_000):
        tenants.add(request(f"t{number}"))
        if number % 20_000 == 0:
            tenants.rank()
    for _ in range(2):
        tenants.rank()
    assert len(tenants.scores) <= 5000
    assert len(tenants.past) <= 200


def test_refusals_have_reasons() -> None:
    """Each refusal is counted under the reason that its status stands for."""
    tenants = Tenants()
    for code in ("429", "429", "507", "413", "401", "403", "409", "500", "200"):
        tenants.add(request("acme", code=code))
    assert tenants.named["acme"].refusals == {
        "rate": 2,
        "quota": 1,
        "size": 1,
        "denied": 2,
        "other": 1,
    }


# ---- the whole ----


def page(folder: Path) -> Exposition:
    return Exposition((folder / TEXT).read_text())


def test_a_collector_that_is_started_again_goes_on(tmp_path: Path) -> None:
    """A restarted collector counts the lines written in between, and no earlier line twice."""
    path = tmp_path / LINES
    counts: Counter[str] = Counter()
    for round_ in range(4):
        with path.open("ab") as file:
            for _ in range(round_ + 1):
                file.write(line())
                counts["acme"] += 1
        collector = Collector(tmp_path, NOWHERE, most_tenants=20)
        collector.step()
        assert page(tmp_path).sum("wharf_tenant_requests_total", tenant="acme") == counts["acme"]
    found = page(tmp_path)
    assert found.values("wharf_nginx_up") == [0]
    assert found.sum("wharf_gateway_requests_total", operation="download", code="200") == 10
    assert found.sum("wharf_gateway_request_duration_seconds_bucket", le="0.025") == 10
    assert found.sum("wharf_tenant_requests_total", tenant=NOBODY) == 0


def test_a_broken_state_is_no_end(tmp_path: Path) -> None:
    """A collector that cannot read its state ignores it, and its counters start at 0."""
    (tmp_path / "requests.state").write_bytes(b"{")
    (tmp_path / LINES).write_bytes(line())
    Collector(tmp_path, NOWHERE, most_tenants=20).step()
    assert page(tmp_path).sum("wharf_tenant_requests_total", tenant="acme") == 1


def test_reservations_end_with_their_requests(tmp_path: Path) -> None:
    """Each reservation in nginx's lines is ended once; only a failed attempt is repeated."""
    told: list[list[str]] = []
    away = True

    def end(ids: Sequence[str]) -> None:
        if away:
            raise OSError
        told.append(list(ids))

    path = tmp_path / LINES
    path.write_bytes(line(reservation="one") + line() + b"reservation\ttwo\n")
    collector = Collector(tmp_path, NOWHERE, most_tenants=20, end_reservations=end)
    collector.step()
    assert told == []
    away = False
    with path.open("ab") as file:
        file.write(line(reservation="three"))
    collector.step()
    collector.step()
    assert told == [["one", "two", "three"]]
    # A line of the replica door counts no request, because the gateway that the client uses counts
    # it.
    assert page(tmp_path).sum("wharf_collector_lines_total") == 3


def test_a_gateway_that_began(tmp_path: Path) -> None:
    """The start of a gateway is reported until a report succeeds; it counts as no request."""
    told: list[float] = []
    away = True

    def began(since: float) -> None:
        if away:
            raise OSError
        told.append(since)

    (tmp_path / LINES).write_bytes(line() + b"gateway began\t12.5\ngateway began\tnever\n")
    collector = Collector(tmp_path, NOWHERE, most_tenants=20, gateway_began=began)
    collector.step()
    assert told == []
    away = False
    collector.step()
    collector.step()
    assert told == [12.5]
    assert page(tmp_path).sum("wharf_collector_lines_total") == 1


def test_lines_of_gateways_of_the_releases_before() -> None:
    """Lines of earlier releases, which lack the last fields, can still be parsed."""
    fields = line().strip(b"\n").split(b"\t")
    for known in (12, 14):
        found = parse(b"\t".join(fields[:known]))
        assert (found.operation, found.reservation) == ("download", "")


def test_a_state_of_another_release(tmp_path: Path) -> None:
    """The collector continues from a state that lacks an operation, a refusal or a bucket."""
    path = tmp_path / LINES
    path.write_bytes(line() + line("delete"))
    Collector(tmp_path, NOWHERE, most_tenants=20).step()
    state = json.loads((tmp_path / STATE).read_bytes())
    del state["operations"]["delete"], state["refusals"]["other"], state["lines"]["malformed"]
    state["operations"]["download"]["durations"]["counts"].pop()
    (tmp_path / STATE).write_text(json.dumps(state))
    with path.open("ab") as file:
        file.write(line("delete") + line(code="418", header="-") + b"rubbish\n" + line())
    Collector(tmp_path, NOWHERE, most_tenants=20).step()
    found = page(tmp_path)
    assert found.sum("wharf_gateway_requests_total", operation="delete") == 1
    assert found.sum("wharf_gateway_requests_total", operation="download", code="200") == 2
    bucket = "wharf_gateway_request_duration_seconds_bucket"
    # A histogram whose state lacks a bucket starts again: it counts only the 418 and the last line.
    assert found.sum(bucket, operation="download", le="+Inf") == 2


def test_a_failing_collector_keeps_no_descriptors(tmp_path: Path) -> None:
    """A collector that fails and restarts many times leaves no descriptor open."""
    (tmp_path / LINES).write_bytes(line())
    (tmp_path / TEXT).mkdir()
    collector = Collector(tmp_path, NOWHERE, most_tenants=20)

    class Soon(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            return self.is_set()

    before, stop = len(os.listdir("/proc/self/fd")), Soon()
    for _ in range(5):
        with pytest.raises(OSError, match="nginx"):
            collector.run(stop)
    assert len(os.listdir("/proc/self/fd")) == before


def test_nothing_new_is_not_written(tmp_path: Path) -> None:
    """The state is written only after a new line."""
    path, state = tmp_path / LINES, tmp_path / STATE
    path.write_bytes(line())
    collector = Collector(tmp_path, NOWHERE, most_tenants=20)
    collector.step()
    state.unlink()
    (tmp_path / TEXT).unlink()
    collector.step()
    assert not state.exists()
    assert (tmp_path / TEXT).exists()
    with path.open("ab") as file:
        file.write(line())
    collector.step()
    assert state.exists()


class Room:
    """A volume with a fixed number of free bytes; a write beyond them fails with ENOSPC."""

    def __init__(self, folder: Path, most: int) -> None:
        self.folder, self.most = folder, most

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        replacing = atomic_file.replacing

        @contextmanager
        def limited(path: Path, **_: object) -> Iterator[SimpleNamespace]:
            with replacing(path) as file:
                yield SimpleNamespace(write=partial(self.write, file))

        monkeypatch.setattr(atomic_file, "replacing", limited)

    def write(self, file: BinaryIO, content: bytes) -> None:
        taken = sum(os.stat(one).st_blocks * 512 for one in self.folder.iterdir())
        if taken + len(content) > self.most:
            file.write(content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file.name)
        file.write(content)


def test_a_full_volume_gets_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that fill the volume are counted and then dropped, which frees the volume."""
    room = Room(tmp_path, 512 << 10)
    room.watch(monkeypatch)
    with (tmp_path / LINES).open("ab") as file:
        file.write(line() * 15_000)
    collector = Collector(tmp_path, NOWHERE, most_tenants=20)
    collector.step()
    assert os.stat(tmp_path / LINES).st_blocks * 512 < 100_000
    found = page(tmp_path)
    assert found.sum("wharf_collector_lines_total", result="lost") == 1
    assert found.sum("wharf_tenant_requests_total", tenant="acme") == 15_000
    with (tmp_path / LINES).open("ab") as file:
        file.write(line())
    # A restarted collector counts no line twice.
    Collector(tmp_path, NOWHERE, most_tenants=20).step()
    assert page(tmp_path).sum("wharf_tenant_requests_total", tenant="acme") == 15_001
    assert page(tmp_path).sum("wharf_collector_lines_total", result="lost") == 1


def test_a_volume_that_others_fill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing can be written, lines are counted, and the metrics show them afterwards."""
    room = Room(tmp_path, 0)
    room.watch(monkeypatch)
    collector = Collector(tmp_path, NOWHERE, most_tenants=20)
    for _ in range(3):
        with (tmp_path / LINES).open("ab") as file:
            file.write(line() * 5000)
        collector.step()
        assert os.stat(tmp_path / LINES).st_blocks * 512 < 100_000
        assert {one.name for one in tmp_path.iterdir()} == {LINES}
    room.most = 1 << 30
    collector.step()
    assert page(tmp_path).sum("wharf_tenant_requests_total", tenant="acme") == 15_000
