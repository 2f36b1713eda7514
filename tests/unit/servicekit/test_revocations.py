"""Revocations: the feed's entries refuse tokens, cost little to check, and outlive restarts."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servicekit import feed_follower
from servicekit.feed_follower import PAGE_ENTRIES, FeedError, FeedFollower
from servicekit.problems import ProblemError
from servicekit.revocations import Feed, Revocation, Revocations, State
from servicekit.tokens import Principal
from tests.servers.auth import Clock
from tests.servers.feed import FakeFeed, entry, serving_feed
from tests.servers.web import Reply, serving

NOW = 1_800_000_000


def principal(
    token: str = "t1",
    tenant: str = "demo",
    subject: str = "client-1",
    session: str = "",
    parents: tuple[str, ...] = (),
) -> Principal:
    return Principal(
        tenant=tenant,
        subject=subject,
        scopes=frozenset(),
        token_id=token,
        expires_at=NOW + 900,
        session=session,
        parents=parents,
    )


def slug(revocations: Revocations, who: Principal) -> str | None:
    try:
        revocations.accepted(who)
    except ProblemError as error:
        return error.problem.slug
    return None


class Followed:
    """A feed, the feed's follower, and a reader such as a worker has."""

    def __init__(self, url: str, feed: FakeFeed, folder: Path) -> None:
        self.url, self.feed, self.path = url, feed, folder / "upload" / "revocations.jsonl"
        self.clock, self.ticks = Clock(NOW), Clock(0)
        self.follower = FeedFollower(url, self.path, self.clock)
        self.reader = Revocations(self.path, self.ticks)

    def hear(self) -> None:
        """Poll the feed, and let a second pass."""
        self.follower.step()
        self.ticks.now += 1

    def slug(self, who: Principal | None = None) -> str | None:
        return slug(self.reader, who or principal())

    def restart(self) -> None:
        """Create a new follower and a new reader with the same file, as after a restart."""
        self.follower = FeedFollower(self.url, self.path, self.clock)
        self.follower.open()
        self.reader = Revocations(self.path, self.ticks)


@pytest.fixture
def followed(tmp_path: Path) -> Iterator[Followed]:
    feed = FakeFeed()
    with serving_feed(feed) as server:
        yield Followed(server.url, feed, tmp_path)


def test_each_kind_is_refused(followed: Followed) -> None:
    """A revoked token, session, subject or tenant is refused, and all others are accepted."""
    feed = followed.feed
    feed.add("token", identifier="t-bad", until=NOW + 60)
    feed.add("session", identifier="s-bad", until=NOW + 60)
    feed.add("subject", identifier="c-bad")
    feed.add("tenant", "suspended", tenant="acme")
    followed.hear()
    assert followed.slug(principal("t-bad")) == "token-revoked"
    assert followed.slug(principal(session="s-bad")) == "token-revoked"
    assert followed.slug(principal(subject="c-bad")) == "token-revoked"
    assert followed.slug(principal(tenant="acme")) == "tenant-suspended"
    assert followed.slug(principal(session="s-good")) is None
    assert followed.slug(principal(parents=("t-good", "t-bad", "t-other"))) == "token-revoked"
    assert followed.slug(principal(parents=("t-good", "s-bad", "c-bad"))) is None
    # A subject belongs to its tenant.
    assert followed.slug(principal(subject="c-bad", tenant="other")) is None


def test_what_is_active_again(followed: Followed) -> None:
    """An enabled client and a resumed tenant are accepted again after the next poll."""
    followed.feed.add("subject", identifier="client-1")
    followed.feed.add("tenant", "suspended")
    followed.hear()
    assert followed.slug() == "tenant-suspended"
    followed.feed.add("tenant", "active")
    followed.hear()
    assert followed.slug() == "token-revoked"
    followed.feed.add("subject", "active", identifier="client-1")
    followed.hear()
    assert followed.slug() is None
    followed.restart()
    assert followed.slug() is None


def test_states_of_tenants(followed: Followed) -> None:
    """Suspended, deleted and purged tenants are refused, and `purged` lists only purged tenants."""
    states: list[State] = ["suspended", "deleted", "purged"]
    for state in states:
        followed.feed.add("tenant", state, tenant=state)
    followed.hear()
    for state in states:
        assert followed.reader.tenant_state(state) == state
        assert followed.slug(principal(tenant=state)) == "tenant-suspended"
    assert followed.reader.tenant_state("demo") == "active"
    assert followed.reader.purged() == {"purged"}


def test_a_purged_tenant_leaves_what_others_have_revoked(followed: Followed) -> None:
    """The purge of a tenant keeps the entries of all other tenants, in memory and in the file."""
    feed = followed.feed
    for tenant in ("demo", "gone"):
        feed.add("token", tenant=tenant, identifier=f"{tenant}-token", until=NOW + 600)
        feed.add("session", tenant=tenant, identifier=f"{tenant}-session", until=NOW + 600)
        feed.add("subject", tenant=tenant, identifier="client-1")
    feed.add("tenant", "suspended", tenant="other")
    followed.hear()
    # auth removes the older entries of a purged tenant from the feed.
    feed.entries = [one for one in feed.entries if one.tenant != "gone"]
    feed.add("tenant", "purged", tenant="gone")
    followed.hear()
    for _ in range(2):
        assert followed.slug(principal("demo-token", subject="x")) == "token-revoked"
        assert followed.slug(principal(session="demo-session", subject="x")) == "token-revoked"
        assert followed.slug(principal()) == "token-revoked"
        assert followed.slug(principal(tenant="other", subject="x")) == "tenant-suspended"
        assert followed.slug(principal(subject="x")) is None
        followed.restart()


def test_a_purged_tenant_leaves_no_reaches(followed: Followed) -> None:
    """The purge of a tenant drops its permanent entries, and keeps those of other tenants."""
    for tenant in ("demo", "gone"):
        followed.feed.add("group", "changed", tenant=tenant, identifier=f"{tenant}-group")
        followed.feed.add("reach", "changed", tenant=tenant, identifier=f"{tenant}-user")
    followed.hear()
    followed.feed.add("tenant", "purged", tenant="gone")
    followed.hear()
    followed.restart()
    kept = followed.path.read_text()
    assert "demo-group" in kept
    assert "demo-user" in kept
    assert "gone-" not in kept
    assert followed.slug(principal(tenant="gone")) == "tenant-suspended"


def test_restart_without_the_feed(followed: Followed) -> None:
    """If the feed is unavailable after a restart, a revoked token is still refused."""
    followed.feed.add(identifier="t1", until=NOW + 600)
    followed.hear()
    followed.feed.status = 503
    followed.restart()
    followed.hear()
    assert followed.slug() == "token-revoked"


def test_no_feed_yet(followed: Followed) -> None:
    """Before the first poll every token is accepted, and the reader reports the missing feed."""
    followed.feed.status = 503
    followed.hear()
    assert followed.slug() is None
    assert followed.reader.age_seconds() == math.inf
    assert "was not received yet" in (followed.reader.error() or "")
    followed.feed.status = 200
    followed.hear()
    assert followed.reader.age_seconds() < math.inf


def test_age_is_that_of_the_last_good_poll(followed: Followed) -> None:
    """The feed's age counts from the last successful poll, even after a failure or a restart."""
    followed.follower = FeedFollower(followed.url, followed.path)
    followed.hear()
    assert followed.reader.error() is None
    hour_ago = os.stat(followed.path).st_mtime - 3600
    os.utime(followed.path, (hour_ago, hour_ago))
    followed.feed.status = 500
    followed.restart()
    followed.hear()
    assert 3600 <= followed.reader.age_seconds() < 3700
    assert "was last received 36" in (followed.reader.error() or "")
    followed.feed.status = 200
    followed.follower = FeedFollower(followed.url, followed.path)
    followed.follower.open()
    followed.hear()
    assert followed.reader.error() is None


def test_many_pages(followed: Followed) -> None:
    """If the feed has more entries than a page, one poll reads each page once."""
    for number in range(2 * PAGE_ENTRIES + 5):
        followed.feed.add(identifier=f"t-{number}", until=NOW + 60)
    followed.hear()
    assert followed.slug(principal("t-0")) == "token-revoked"
    assert followed.slug(principal(f"t-{2 * PAGE_ENTRIES + 4}")) == "token-revoked"
    followed.feed.add(identifier="t-new", until=NOW + 60)
    followed.hear()
    assert followed.slug(principal("t-new")) == "token-revoked"
    assert followed.slug(principal("t-0")) == "token-revoked"


def test_expired_entries_are_dropped(followed: Followed) -> None:
    """Expired entries are dropped from the file and from memory."""
    for number in range(3000):
        followed.feed.add(identifier=f"t-{number}", until=NOW + 60)
    followed.feed.add(identifier="t-long", until=NOW + 6000)
    followed.feed.add("tenant", "suspended", tenant="acme")
    followed.hear()
    assert followed.slug(principal("t-5")) == "token-revoked"
    large = followed.path.stat().st_size
    followed.clock.now += 1000
    followed.hear()
    assert followed.path.stat().st_size < large / 50
    assert followed.slug(principal("t-5")) is None
    assert len(followed.reader._known.tokens) == 1
    assert followed.slug(principal("t-long")) == "token-revoked"
    assert followed.reader.tenant_state("acme") == "suspended"


def test_feed_begins_anew(followed: Followed) -> None:
    """After auth's feed has begun again, the feed decides about tenants and subjects. Revoked
    tokens stay refused.
    """
    followed.feed.add("tenant", "suspended", tenant="old")
    followed.feed.add("subject", identifier="c-old")
    followed.feed.add(identifier="t-old", until=NOW + 60)
    followed.hear()
    followed.feed.entries.clear()
    followed.feed.add("tenant", "suspended", tenant="new")
    followed.hear()
    assert followed.reader.tenant_state("new") == "suspended"
    assert followed.reader.tenant_state("old") == "active"
    assert followed.slug(principal(subject="c-old")) is None
    assert followed.slug(principal("t-old")) == "token-revoked"
    followed.feed.add(identifier="t-new", until=NOW + 60)
    followed.hear()
    assert followed.slug(principal("t-new")) == "token-revoked"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b'{"entries": 5, "latest": 1}',
        msgspec.json.encode(Feed(entries=(entry(5), entry(4)), latest=5)),
        msgspec.json.encode(Feed(entries=(entry(5), entry(5)), latest=5)),
        b"x" * (5 << 20),
    ],
)
def test_bad_answers(followed: Followed, body: bytes) -> None:
    """A response that is no page of the feed changes none of the known entries."""
    followed.feed.add(identifier="t1", until=NOW + 60)
    followed.hear()
    followed.feed.body = body
    with pytest.raises(FeedError):
        followed.follower.poll()
    followed.hear()
    assert followed.slug() == "token-revoked"


class NextEntry(Revocation, frozen=True, kw_only=True):
    """An entry of the feed with a member that only a newer release knows."""

    rule: tuple[Any, ...] = (1, None, "line\nend")


def hear_next(followed: Followed, *entries: Revocation) -> None:
    """Add entries of a newer release to the feed, and let the follower and the reader read them."""
    followed.feed.entries += entries
    followed.hear()


def test_unknown_kinds(followed: Followed, caplog: pytest.LogCaptureFixture) -> None:
    """An entry of unknown kind is skipped and logged once, and other entries are applied."""
    hear_next(
        followed,
        entry(1, identifier="t1"),
        NextEntry(seq=2, kind="next", id="client-1", tenant="demo"),
        entry(3, "subject", identifier="c-bad"),
    )
    assert followed.slug() == "token-revoked"
    assert followed.slug(principal("t2", subject="c-bad")) == "token-revoked"
    assert followed.slug(principal("t2")) is None
    hear_next(
        followed, NextEntry(seq=4, kind="next"), entry(5, "tenant", "suspended", tenant="acme")
    )
    assert followed.reader.tenant_state("acme") == "suspended"
    assert [record.message for record in caplog.records] == [
        "the feed has entries of a kind that this release ignores: next"
    ]


def test_the_least_that_an_entry_has(followed: Followed) -> None:
    """An unknown entry needs only a number and a kind; blanks between members are ignored."""
    followed.feed.body = b'{\n "entries": [\n  {"seq": 1,\n "kind": "next"}],\n "latest": 1}'
    with pytest.raises(FeedError, match="order"):
        followed.follower.poll()  # the follower gets the same page again instead of the next
    followed.feed.body = b'{"entries": [], "latest": 1}'
    followed.hear()
    followed.restart()
    assert followed.slug() is None
    assert msgspec.json.decode(followed.path.read_bytes().splitlines()[-1])["latest"] == 1


def test_what_is_not_known_is_kept(followed: Followed) -> None:
    """The feed's file keeps unknown entries for a newer release, even when it is rewritten."""
    known = NextEntry(seq=1, kind="tenant", tenant="acme", state="suspended")
    hear_next(followed, known, NextEntry(seq=2, kind="next"))
    hear_next(followed, newest := NextEntry(seq=3, kind="next"))
    followed.restart()
    lines = followed.path.read_bytes().splitlines()
    entries = [one for line in lines for one in msgspec.json.decode(line)["entries"]]
    assert [msgspec.convert(one, NextEntry) for one in entries] == [known, newest]
    assert msgspec.json.decode(lines[-1])["latest"] == 3


@pytest.mark.parametrize(
    ("found", "refused"),
    [
        (Revocation(seq=1, kind="token", id="t1", state="next"), "token-revoked"),
        (Revocation(seq=1, kind="subject", tenant="demo", id="client-1"), "token-revoked"),
        (Revocation(seq=1, kind="tenant", tenant="demo", state="next"), "tenant-suspended"),
    ],
)
def test_unknown_states(followed: Followed, found: Revocation, refused: str) -> None:
    """A token, subject or tenant in an unknown state is refused."""
    hear_next(followed, found)
    assert followed.slug() == refused
    assert followed.reader.purged() == frozenset()


def test_redirects_are_not_followed(tmp_path: Path) -> None:
    """The follower follows no redirect, so revocations come only from the configured URL."""
    with serving_feed(FakeFeed()) as canary:
        elsewhere = Reply(status=302, headers={"Location": f"{canary.url}/feed"})
        with serving(lambda _: elsewhere) as server:
            follower = FeedFollower(server.url, tmp_path / "revocations.jsonl")
            with pytest.raises(FeedError):
                follower.poll()
        assert canary.paths == []


def test_half_a_line(followed: Followed) -> None:
    """If a power failure leaves half a line in the file, the entry is read again from the feed."""
    followed.feed.add(identifier="t1", until=NOW + 60)
    followed.hear()
    followed.feed.add(identifier="t2", until=NOW + 60)
    followed.hear()
    content = followed.path.read_bytes()
    followed.path.write_bytes(content[:-20])
    followed.restart()
    followed.hear()
    assert followed.slug(principal("t1")) == "token-revoked"
    assert followed.slug(principal("t2")) == "token-revoked"


def test_a_damaged_line(followed: Followed) -> None:
    """A damaged file is read up to the damage; the follower gets later entries from the feed."""
    followed.feed.add(identifier="t1", until=NOW + 60)
    followed.feed.add("tenant", "suspended", tenant="acme")
    followed.hear()
    content = followed.path.read_bytes()
    followed.path.write_bytes(b"{damaged\n" + content.partition(b"\n")[2])
    reader = Revocations(followed.path)
    assert slug(reader, principal()) is None
    followed.restart()
    followed.hear()
    assert followed.slug() == "token-revoked"
    assert followed.reader.tenant_state("acme") == "suspended"


def test_looking_is_rare(followed: Followed) -> None:
    """The reader checks the feed's file at most twice a second, however many requests arrive."""
    followed.hear()
    assert followed.slug() is None
    followed.feed.add(identifier="t1", until=NOW + 60)
    followed.follower.step()
    followed.ticks.now += 0.49
    assert followed.slug() is None
    followed.ticks.now += 0.01
    assert followed.slug() == "token-revoked"


class Slow(type(Path())):  # type: ignore[misc]
    """The path of a file that can be opened only after `go` is set. An attempt sets `asked`."""

    asked: Event
    go: Event

    def __fspath__(self) -> str:
        self.asked.set()
        assert self.go.wait(60)
        return str(self)


@pytest.mark.parametrize("idle", [1, 3600], ids=["a second", "an hour"])
def test_nobody_goes_on_with_old_knowledge(tmp_path: Path, idle: int) -> None:
    """If one thread reads the file, other threads wait when their entries are at least a second
    old.
    """
    path, ticks = Slow(tmp_path / "revocations.jsonl"), Clock(0)
    path.asked, path.go = Event(), Event()
    path.go.set()
    reader = Revocations(path, ticks)
    assert slug(reader, principal()) is None
    page = Feed(entries=(entry(1, identifier="t1"),), latest=1)
    (tmp_path / path.name).write_bytes(msgspec.json.encode(page) + b"\n")
    ticks.now += idle
    path.go.clear()
    path.asked.clear()
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(slug, reader, principal())
        assert path.asked.wait(60)
        second = threads.submit(slug, reader, principal())
        wait([second], timeout=0.1)  # a thread that does not wait would have ended by now
        path.go.set()
        assert [first.result(60), second.result(60)] == ["token-revoked"] * 2


_CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["token", "session", "subject", "tenant"]),
        st.sampled_from(["a", "b"]),
        st.booleans(),
    ),
    max_size=12,
)


@settings(deadline=None)  # the test syncs files, and other tests use the disk
@given(batches=st.lists(_CHANGES, max_size=5), restarts=st.sets(st.integers(0, 5)))
def test_the_last_word_holds(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[list[tuple[str, str, bool]]],
    restarts: set[int],
) -> None:
    """The last entry about a token, session, subject or tenant decides, even over restarts."""
    path = tmp_path_factory.mktemp("feed") / "revocations.jsonl"
    feed, ticks = FakeFeed(), Clock(0)
    follower, reader = _direct(feed, path), Revocations(path, ticks)
    last: dict[tuple[str, str], bool] = {}
    for number, batch in enumerate(batches):
        for kind, name, revoked in batch:
            on: State = "suspended" if kind == "tenant" else "revoked"
            feed.add(
                kind,  # type: ignore[arg-type]
                on if revoked or kind in {"token", "session"} else "active",
                tenant=name if kind == "tenant" else "demo",
                identifier="" if kind == "tenant" else name,
            )
            last[kind, name] = revoked or kind in {"token", "session"}
        follower.poll()
        if number in restarts:
            follower, reader = _direct(feed, path), Revocations(path, ticks)
            follower.open()
        ticks.now += 1
        for name in ("a", "b"):
            whos = {
                "token": principal(name),
                "session": principal(session=name),
                "subject": principal(subject=name),
                "tenant": principal(tenant=name),
            }
            for kind, who in whos.items():
                assert (slug(reader, who) is not None) == last.get((kind, name), False)


def _direct(feed: FakeFeed, path: Path) -> FeedFollower:
    """Return a follower that reads the simulated feed without a network."""
    follower = FeedFollower("http://feed.test", path)

    def page(after: int) -> feed_follower._Page:
        return feed_follower._page_of(feed.reply(f"/feed?after={after}&limit=3").body)

    follower._page = page  # type: ignore[method-assign]
    return follower


def test_entries_are_what_auth_writes() -> None:
    """An entry has exactly these members in JSON, so a change in only one service is noticed."""
    made = entry(7, "tenant", "suspended", tenant="acme")
    assert msgspec.json.decode(msgspec.json.encode(made)) == {
        "seq": 7,
        "kind": "tenant",
        "tenant": "acme",
        "id": "",
        "state": "suspended",
        "until": None,
        "at": 0,
        "reach": None,
    }
    assert isinstance(made, Revocation)


def test_a_full_disk(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a line that a full disk left is removed, and is read again when space is free."""
    followed.feed.add(identifier="t1", until=NOW + 60)
    followed.hear()
    before = followed.path.read_bytes()
    followed.feed.add(identifier="t2", until=NOW + 60)

    def half(descriptor: int, page: Feed) -> None:
        os.write(descriptor, msgspec.json.encode(page)[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(feed_follower, "_write", half)
        followed.hear()
        followed.hear()
    assert followed.path.read_bytes() == before
    assert followed.slug(principal("t1")) == "token-revoked"
    followed.hear()
    assert followed.slug(principal("t2")) == "token-revoked"
