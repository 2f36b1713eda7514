"""Tests that complete walks run once an hour, by the monotonic clock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import pytest

from servicekit.metric_buffers import MetricBuffer
from tests.servers.links import kept_link
from tests.servers.upload import UploadService, ages
from wharf_upload import bootstrap
from wharf_upload.access import link_metrics
from wharf_upload.maintenance import own_disk, revoked_links, worker_loop
from wharf_upload.maintenance.revoked_links import RevokedLinks
from wharf_upload.maintenance.sweeper import Sweeper, Swept

HOUR = 3600


class Monotonic:
    """A monotonic clock for one module."""

    def __init__(self) -> None:
        self.now = 1000.0

    def put_into(self, module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the module use this clock."""
        clock = SimpleNamespace(monotonic=lambda: self.now, time=lambda: 1_795_000_000.0)
        monkeypatch.setattr(module, "time", clock)


def seen(clock: Monotonic, run: Callable[[], bool]) -> list[bool]:
    """Return the results of six runs: at the start, around the hour's end, and an hour later."""
    done = []
    for seconds in (0, 1, HOUR - 2, 2, 1, HOUR):
        clock.now += seconds
        done.append(run())
    return done


EACH_HOUR = [True, False, False, True, False, True]


def test_walks_over_the_store(upload: UploadService, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker walks over the store at its start and every hour, and drops old leases then."""
    clock, walks, forgotten = Monotonic(), list[bool](), list[float]()

    def run(_: Sweeper, *, blobs: bool) -> Swept:
        walks.append(blobs)
        return Swept()

    monkeypatch.setattr(Sweeper, "run", run)
    clock.put_into(worker_loop, monkeypatch)
    worker = bootstrap.worker_loop(upload.settings, upload.context.backends)
    leases = SimpleNamespace(forget_old=lambda: forgotten.append(clock.now))
    monkeypatch.setattr(worker, "_leases", leases)

    def step() -> bool:
        worker._sweep()
        return walks[-1]

    assert seen(clock, step) == EACH_HOUR
    assert len(forgotten) == EACH_HOUR.count(True)


def test_a_worker_that_ends(upload: UploadService, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that stops releases its turn, so that another worker can begin immediately."""
    ended, stop = list[bool](), threading.Event()
    worker = bootstrap.worker_loop(upload.settings, upload.context.backends)
    monkeypatch.setattr(worker, "_turn", SimpleNamespace(end=lambda: ended.append(True)))
    stop.set()
    worker.run(stop)
    assert ended == [True]


class Feed:
    """A feed in which one token of a tenant was revoked, without later revocations."""

    def newest_revocations(self) -> dict[str, int]:
        return {"demo": 7}

    def has_revoked(self, tokens: tuple[str, ...]) -> bool:
        return "one" in tokens


def test_more_links_than_a_look(upload: UploadService, monkeypatch: pytest.MonkeyPatch) -> None:
    """All links of a revoked token are ended, however many batches they fill, and no other link."""
    monkeypatch.setattr(revoked_links, "_AT_ONCE", 3)
    for token in ("one", *["two"] * 7, "one"):
        upload.records.keep_link(kept_link((token,)))
    links, pages = upload.records, list[str]()
    recent = links.recent_links

    def noting(tenant: str, after: str, limit: int) -> list[tuple[str, tuple[str, ...]]]:
        pages.append(after)
        return recent(tenant, after, limit)

    monkeypatch.setattr(links, "recent_links", noting)
    assert RevokedLinks(links, Feed()).end() == 2
    left = recent("demo", "", 9)
    assert [tokens for _, tokens in left] == [("two",)] * 7
    # Each batch continues after the previous one: three batches with three links, and an empty one.
    assert len(pages) == 4


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> MetricBuffer:
    """Return the counter of ended links, which nothing exports."""
    monkeypatch.setattr(link_metrics, "ended_links", MetricBuffer())
    return link_metrics.ended_links


def test_links_of_two_tenants(upload: UploadService, ended: MetricBuffer) -> None:
    """Links of all tenants with revoked tokens are ended and counted together."""
    for tenant in ("demo", "other", "third"):
        for token in ("one", "two", "one"):
            upload.records.keep_link(kept_link((token,), tenant=tenant))

    class Two(Feed):
        """A feed in which two tenants have revoked a token, and a third one has not."""

        def newest_revocations(self) -> dict[str, int]:
            return {"other": 9, "demo": 7}

    assert RevokedLinks(upload.records, Two()).end() == 4
    assert list(ended.drain()) == [(("token",), 4)]
    assert len(upload.records.recent_links("third", "", 9)) == 3


class Asked:
    """An empty table of links that records the argument `after` of each query."""

    def __init__(self) -> None:
        self.after: list[str] = []

    def recent_links(
        self, tenant: str, after: str, limit: int
    ) -> list[tuple[str, tuple[str, ...]]]:
        self.after.append(after)
        return []

    def remove_links(self, tenant: str, links: list[str]) -> None:
        raise AssertionError(links)


def test_old_links_are_not_looked_at() -> None:
    """Only links of the last three days and some minutes are checked, because the feed has no older
    tokens; with an unset clock all are checked.
    """
    asked, now = Asked(), 1_795_000_000.0
    for moment in (now, 0.0):
        assert RevokedLinks(asked, Feed(), clock=iter([moment]).__next__).end() == 0
    since, first = asked.after
    assert 0 <= now - 3 * 24 * HOUR - int(since, 16) / 1000 < HOUR
    assert first == "000000000000"


def test_a_look_at_all_links(upload: UploadService) -> None:
    """A link that was stored after the check for its revoked token is ended by the next walk."""
    links = RevokedLinks(upload.records, Feed())
    assert links.end() == 0
    upload.records.keep_link(kept_link(("one",)))
    assert links.end() == 0
    assert links.end(of_all=True) == 1


def test_links_go_with_a_run(upload: UploadService) -> None:
    """Each run ends the links of new revocations, and a walk ends those of all revocations."""
    sweeper = Sweeper(
        upload.store,
        upload.records,
        upload.settings.spool_folder.parent,
        ages(),
        revoked_links=RevokedLinks(upload.records, Feed()),
    )
    for walks, ended in ((False, 1), (False, 0), (True, 2)):
        upload.records.keep_link(kept_link(("one",)))
        assert (walks, sweeper.run(blobs=walks).revoked_links) == (walks, ended)


def test_walks_over_small_pictures(upload: UploadService, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica checks all its small pictures at its start and every hour; a failed check is not
    repeated at the next run.
    """
    clock, walks = Monotonic(), list[float]()
    clock.put_into(own_disk, monkeypatch)
    own = bootstrap.own_disk(upload.settings, upload.context.backends)

    def walk() -> None:
        walks.append(clock.now)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(own, "forget_pictures", walk)

    def step() -> bool:
        before = len(walks)
        try:
            own.sweep()
        except OSError:
            return True
        assert len(walks) == before
        return False

    assert seen(clock, step) == EACH_HOUR
