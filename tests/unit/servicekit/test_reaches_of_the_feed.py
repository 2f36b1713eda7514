"""Reaches in the file of the feed, which each worker reads and which is kept over restarts."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from servicekit import feed_follower
from servicekit.feed_follower import FeedFollower
from servicekit.grants import CompactGrant
from servicekit.grants_claim import GrantsClaim, GroupPart
from servicekit.problems import ProblemError
from servicekit.reach import NOTHING, reach_of
from servicekit.reaches import ReachChange
from servicekit.revocations import Revocations
from servicekit.tokens import Principal
from tests.servers.auth import Clock
from tests.servers.feed import FakeFeed

NOW = 1_800_000_000
SCOPES = "files:read files:write"
A = (CompactGrant("photos", "a/", "r"),)


def member(number: int = 0, *, short: bool = False) -> Principal:
    """Return a member of the group. If `short`, the member's token omits its own grants."""
    claim = GrantsClaim(5, None if short else (), SCOPES, "ann", (GroupPart("g1", 5, "", ()),))
    return Principal(
        "demo", f"u{number}", frozenset(SCOPES.split()), "t", NOW + 900, grants=claim, reach=NOTHING
    )


class Followed:
    """A feed, a follower that needs no network, and the reader of a worker."""

    def __init__(self, folder: Path) -> None:
        self.feed, self.path = FakeFeed(), folder / "revocations.jsonl"
        self.clock, self.ticks = Clock(NOW), Clock(0)
        self.restart()

    def restart(self) -> None:
        """Create a new follower and a new reader with the same file, as after a restart."""
        self.follower = FeedFollower("http://feed.test", self.path, self.clock)
        self.follower._page = self._page  # type: ignore[method-assign]
        self.follower.open()
        self.reader = Revocations(self.path, self.ticks)

    def _page(self, after: int) -> feed_follower._Page:
        return feed_follower._page_of(self.feed.reply(f"/feed?after={after}&limit=1000").body)

    def hear(self) -> None:
        """Poll the feed, and let a second pass."""
        self.follower.poll()
        self.ticks.now += 1

    def changed(self, kind: str, name: str, change: ReachChange, until: int | None = None) -> None:
        """Add a change to the feed, and let the follower and the reader read it."""
        self.feed.add(kind, "changed", identifier=name, until=until, reach=change)  # type: ignore[arg-type]
        self.hear()


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    return Followed(tmp_path)


def test_ten_thousand_members_are_one_entry(followed: Followed) -> None:
    """A change of a group is one entry of the feed and one entry in memory for all members."""
    followed.hear()
    for number in (0, 9_999):
        assert followed.reader.accepted(member(number)).reach == NOTHING
    own = (CompactGrant("photos", "u/{user_id}/", "r"),)
    followed.changed("group", "g1", ReachChange(6, own))
    for number in range(10_000):
        reach = followed.reader.accepted(member(number)).reach
        assert reach.allows("read", "photos", f"u/u{number}/x")
        assert not reach.allows("read", "photos", f"u/u{number + 1}/x")
    assert len(followed.feed.entries) == 1
    assert len(followed.reader.reaches._groups) == 1
    assert len(followed.reader.reaches._subjects) == 0


def test_restarts_and_compaction_forget_nothing(followed: Followed) -> None:
    """The last of many changes is kept, even over restarts while auth is unavailable."""
    for version in range(6, 3000):
        followed.feed.add("group", "changed", identifier="g1", reach=ReachChange(version, A))
    followed.changed("reach", "u0", ReachChange(6, A, "files:read", "ann", ("g1",)))
    assert followed.path.stat().st_size < 1000
    followed.restart()
    found = followed.reader.accepted(member(short=True))
    assert found.reach == reach_of(A)
    assert found.scopes == {"files:read"}


def test_an_entry_ends_with_what_it_is_about(followed: Followed) -> None:
    """A user's entry is dropped when all older tokens have expired; a group's entry stays."""
    followed.changed("group", "g1", ReachChange(6, A))
    followed.changed("reach", "u0", ReachChange(6), NOW + 60)
    assert followed.reader.accepted(member()).reach == NOTHING
    followed.clock.now += 1000
    followed.hear()
    assert followed.reader.accepted(member()).reach == reach_of(A)
    assert not followed.reader.reaches._subjects


def test_a_long_file_is_seldom_read_from_its_beginning(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file with three times `_LONG_ENTRIES` entries is rewritten after three times the pause."""
    monkeypatch.setattr(feed_follower, "_LONG_ENTRIES", 10)
    for number in range(30):
        followed.feed.add("reach", "changed", identifier=f"u{number}", reach=ReachChange(6))
    followed.hear()
    made = followed.path.stat().st_ino
    for minutes, is_anew in ((11, False), (11, False), (11, True)):
        followed.clock.now += 60 * minutes
        followed.hear()
        assert (followed.path.stat().st_ino != made) == is_anew


def test_a_feed_that_began_anew_decides_alone(followed: Followed) -> None:
    """After a restore of auth, entries that auth's new feed lacks are dropped."""
    followed.changed("reach", "u0", ReachChange(9, A, SCOPES), NOW + 600)
    followed.changed("group", "g2", ReachChange(9, A))
    followed.feed.entries.clear()
    followed.changed("group", "g1", ReachChange(7, A))
    assert followed.reader.accepted(member()).reach == reach_of(A)
    assert not followed.reader.reaches._subjects
    with pytest.raises(ProblemError):
        followed.reader.accepted(member(short=True))


def test_an_entry_without_a_reach_takes_everything(followed: Followed) -> None:
    """An entry without a reach allows nothing, so that an unreadable entry grants no access."""
    followed.changed("group", "g1", ReachChange(6, A))
    assert followed.reader.accepted(member()).reach == reach_of(A)
    for kind, name in (("group", "g1"), ("reach", "u0")):
        followed.feed.add(kind, "changed", identifier=name)  # type: ignore[arg-type]
        last = followed.feed.entries.pop()
        followed.feed.entries.append(msgspec.structs.replace(last, at=7_000))
        followed.hear()
        assert followed.reader.accepted(member()).reach == NOTHING
