"""Tests of making signed links: their content, their expiry, and their rows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from servicekit.grants_claim import GrantsClaim, GroupPart
from servicekit.metric_buffers import MetricBuffer
from servicekit.problems import ProblemError
from servicekit.reaches import KnownReaches, Maker
from servicekit.tokens import Principal
from tests.servers.granted import SUBJECT, compact, principal
from tests.servers.upload import new_file
from wharf_upload.access import link_metrics, links
from wharf_upload.access.link_maker import LinkMaker
from wharf_upload.access.links import Link, LinkKeys
from wharf_upload.domain.buckets import Bucket, Policy
from wharf_upload.domain.files import File
from wharf_upload.domain.kept_links import KeptLink
from wharf_upload.domain.keys import InvalidName
from wharf_upload.domain.refusals import NoSuchBucket, NoSuchFile, OutsideGrants

NOW, SECOND, MILLISECOND = 1_795_000_000.75, 1_795_000_000, 1_795_000_000_750
LONGEST = 86_400
OLD_KEY, NEW_KEY = b"o" * 32, b"n" * 32
CALLER = principal("read,write,delete,list:*")
EXCHANGED = msgspec.structs.replace(CALLER, parents=("first", "second"), expires_at=SECOND + 100)


class Records:
    """Records in memory with one bucket of one tenant and one file."""

    def __init__(self, **changes: Any) -> None:
        self.there = new_file("a/b.txt", **changes)
        self.key = OLD_KEY
        self.kept: list[KeptLink] = []
        self.ended: list[tuple[str, int]] = []

    def bucket(self, tenant: str, name: str) -> Bucket | None:
        """Return the bucket."""
        found = (tenant, name) == ("demo", "default")
        return Bucket(tenant=tenant, name=name, policy=Policy(), created_at=0) if found else None

    def file(self, tenant: str, bucket: str, key: str) -> File | None:
        """Return the file."""
        place = (self.there.tenant, self.there.bucket, self.there.key)
        return self.there if (tenant, bucket, key) == place else None

    def link_key(self, tenant: str, *, create: bool = False) -> bytes | None:
        """Return the key, if the caller has asked for its creation."""
        return self.key if tenant == "demo" and create else None

    def rotate_link_key(self, tenant: str) -> None:
        """Change the key."""
        assert tenant == "demo"
        self.key = NEW_KEY

    def keep_link(self, link: KeptLink) -> None:
        """Store a link."""
        self.kept.append(link)

    def end_links(self, tenant: str, until: int) -> int:
        """Delete all links and return their number."""
        self.ended.append((tenant, until))
        count = len(self.kept)
        self.kept.clear()
        return count


def maker_of(records: Records) -> LinkMaker:
    feed = SimpleNamespace(reaches=KnownReaches())
    keys = LinkKeys(records, clock=lambda: 0.0)
    return LinkMaker(records, keys, feed, lambda: NOW, max_seconds=LONGEST)


def to_file(
    caller: Principal = CALLER, seconds: int | None = 60, records: Records | None = None
) -> Link:
    made = maker_of(records or Records())
    return made.to_file(caller, "default", "a/b.txt", seconds, "inline", None)


def to_prefix(prefix: str, caller: Principal = CALLER, seconds: int | None = 60) -> Link:
    return maker_of(Records()).to_prefix(caller, "default", prefix, seconds, "attachment")


def test_a_link_says_what_was_asked_for() -> None:
    """A link has the place, the expiry and the name that were asked for, and its maker's right."""
    assert to_file() == Link(
        tenant="demo",
        bucket="default",
        target="a/b.txt",
        is_prefix=False,
        expires_at=SECOND + 60,
        disposition="inline",
        name="",
        maker=Maker(SUBJECT),
    )
    named = maker_of(Records()).to_file(CALLER, "default", "a/b.txt", 1, "attachment", "C:\\x.txt")
    assert (named.disposition, named.name, named.expires_at) == ("attachment", "x.txt", SECOND + 1)
    with pytest.raises(InvalidName):
        maker_of(Records()).to_file(CALLER, "default", "a/b.txt", 1, "attachment", "..")


@pytest.mark.parametrize(
    ("prefix", "target"), [("img", "img/"), ("img/", "img/"), ("img/a", "img/a/"), ("", "")]
)
def test_a_prefix_is_a_folder(prefix: str, target: str) -> None:
    """A link to prefix `img` shows only keys below `img/`; a link to "" shows the whole bucket."""
    assert to_prefix(prefix) == Link(
        tenant="demo",
        bucket="default",
        target=target,
        is_prefix=True,
        expires_at=SECOND + 60,
        disposition="attachment",
        maker=Maker(SUBJECT),
    )


@pytest.mark.parametrize(("late", "gone"), [(-1, True), (0, True), (1, False)])
def test_a_file_is_linked_until_its_end(late: int, *, gone: bool) -> None:
    """An expired file gets no link, from the exact millisecond on."""
    records = Records(expires_at=MILLISECOND + late)
    if not gone:
        assert to_file(records=records).target == "a/b.txt"
        return
    with pytest.raises(NoSuchFile):
        to_file(records=records)


def test_what_is_not_there_gets_no_link() -> None:
    """A link needs an existing bucket and file of the maker's own tenant."""
    for wrong in (
        msgspec.structs.replace(CALLER, tenant="other"),
        principal("read:photos"),
    ):
        with pytest.raises(NoSuchBucket):
            to_file(wrong)
        with pytest.raises(NoSuchBucket):
            to_prefix("a", wrong)
    made = maker_of(Records())
    with pytest.raises(NoSuchBucket):
        made.to_prefix(CALLER, "photos", "a", 60, "inline")
    with pytest.raises(NoSuchFile):
        made.to_file(CALLER, "default", "a/c.txt", 60, "inline", None)


def test_a_link_shows_what_its_maker_may_read() -> None:
    """A link to a file or folder needs the maker's right to read all of it."""
    reader = principal("read:default/a/", "write:default/b/")
    assert to_file(reader).target == "a/b.txt"
    assert to_prefix("a", reader).target == "a/"
    for outside in ("b", "", "a-internal"):
        with pytest.raises(OutsideGrants) as caught:
            to_prefix(outside, reader)
        target = outside and outside + "/"
        refused = caught.value
        assert (refused.action, refused.bucket, refused.key) == ("read", "default", target)
    with pytest.raises(NoSuchFile):
        to_file(principal("read:default/b/"))


@pytest.mark.parametrize(
    ("own", "right"),
    [
        ("read:default/a/", Maker(SUBJECT, 7)),
        ("read:photos", Maker(SUBJECT, 7, by_own=False, groups=("g1",), username="ann")),
    ],
)
def test_a_link_names_the_right_that_it_stands_on(own: str, right: Maker) -> None:
    """A link names the groups of its maker if the maker's own grants lack the right to read."""
    by_group = compact("read:default/a/")
    claim = GrantsClaim(
        7, compact(own), "files:read", "ann", (GroupPart("g1", 3, "files:read", by_group),)
    )
    caller = msgspec.structs.replace(principal(own, "read:default/a/"), grants=claim)
    assert to_file(caller).maker == right
    assert to_prefix("a", caller).maker == right


@pytest.mark.parametrize(
    ("caller", "asked", "good"),
    [
        (CALLER, None, 3600),
        (CALLER, 1, 1),
        (CALLER, LONGEST, LONGEST),
        (EXCHANGED, None, 100),
        (EXCHANGED, 100, 100),
        (msgspec.structs.replace(EXCHANGED, expires_at=1 << 40), None, 3600),
        (msgspec.structs.replace(EXCHANGED, expires_at=1 << 40), LONGEST, LONGEST),
        (msgspec.structs.replace(CALLER, expires_at=SECOND + 1), LONGEST, LONGEST),
    ],
)
def test_how_long_it_is_good(caller: Principal, asked: int | None, good: int) -> None:
    """A link lasts as long as asked, by default an hour, but no longer than an exchanged token."""
    for link in (to_file(caller, asked), to_prefix("a", caller, asked)):
        assert link.expires_at == SECOND + good


@pytest.mark.parametrize(
    ("caller", "asked", "most"),
    [
        (CALLER, LONGEST + 1, LONGEST),
        (CALLER, 0, LONGEST),
        (EXCHANGED, 101, 100),
        (msgspec.structs.replace(EXCHANGED, expires_at=SECOND + LONGEST), LONGEST + 1, LONGEST),
        (msgspec.structs.replace(EXCHANGED, expires_at=SECOND), None, 0),
        (msgspec.structs.replace(EXCHANGED, expires_at=SECOND - 9), 1, 0),
    ],
)
def test_what_is_too_long_is_told(caller: Principal, asked: int | None, most: int) -> None:
    """The refusal of a lifetime has the maximum in seconds, and the token if that is the limit."""
    with pytest.raises(ProblemError) as caught:
        to_file(caller, asked)
    why = "" if most == LONGEST else ": the token expires then, and its links end with it"
    assert caught.value.detail == f"expires_in is at most {most} seconds{why}."
    assert caught.value.members == {"limit_seconds": most}


@pytest.mark.parametrize(("caller", "tokens"), [(CALLER, ()), (EXCHANGED, ("first", "second"))])
def test_a_listed_link_is_kept(caller: Principal, tokens: tuple[str, ...]) -> None:
    """A listed link has a row with everything that the list shows, and with the maker's tokens."""
    records = Records()
    link = msgspec.structs.replace(to_file(caller), name="x.txt")
    name, token = maker_of(records).hand_out(caller, link, listed=True)
    assert records.kept == [
        KeptLink(
            tenant="demo",
            id=name,
            bucket="default",
            target="a/b.txt",
            is_prefix=False,
            disposition="inline",
            filename="x.txt",
            maker=Maker(SUBJECT),
            tokens=(*tokens, "t"),
            created_at=MILLISECOND,
            expires_at=1000 * (SECOND + 60),
        )
    ]
    shown = links.verify(token, lambda _: OLD_KEY, NOW)
    assert shown == msgspec.structs.replace(link, row=bytes.fromhex(name))
    folder, _ = maker_of(records).hand_out(caller, to_prefix("a"), listed=True)
    assert (records.kept[1].is_prefix, records.kept[1].id) == (True, folder)


def test_a_link_that_names_no_maker_is_its_makers() -> None:
    """The row of a link without a maker names the caller that made it."""
    records = Records()
    maker_of(records).hand_out(CALLER, msgspec.structs.replace(to_file(), maker=None), listed=True)
    assert records.kept[0].maker == Maker(SUBJECT)


def test_a_link_in_no_list_is_short() -> None:
    """An unlisted link has no row, contains the ids of its maker's tokens, and lasts at most five
    minutes.
    """
    records = Records()
    link = to_file(seconds=300)
    name, token = maker_of(records).hand_out(EXCHANGED, link, listed=False)
    shown = links.verify(token, lambda _: OLD_KEY, NOW)
    assert shown == msgspec.structs.replace(link, tokens=("first", "second", "t"))
    assert (name, shown.id, records.kept) == ("", "", [])
    with pytest.raises(ProblemError) as caught:
        maker_of(records).hand_out(CALLER, to_file(seconds=301), listed=False)
    said = "A link that is not listed is valid for at most 300 seconds."
    assert (caught.value.detail, caught.value.members) == (said, {"limit_seconds": 300})


def test_a_rotation_ends_all_links() -> None:
    """A rotation ends all earlier links, removes their rows, and does not affect later links."""
    records = Records()
    maker = maker_of(records)
    _, before = maker.hand_out(CALLER, to_file(), listed=True)
    maker.revoke_all("demo")
    assert (records.kept, records.ended) == ([], [("demo", MILLISECOND)])
    _, after = maker.hand_out(CALLER, to_file(), listed=True)
    with pytest.raises(links.BadLink):
        links.verify(before, lambda _: records.key, NOW)
    assert links.verify(after, lambda _: records.key, NOW).target == "a/b.txt"


def test_links_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics count listed and unlisted links, and the links that a rotation ended."""
    maker = maker_of(Records())
    for name in ("made_links", "ended_links"):
        monkeypatch.setattr(link_metrics, name, MetricBuffer())  # Nothing exports these buffers.
    for listed in (True, False, True):
        maker.hand_out(CALLER, to_file(), listed=listed)
    kinds = [("listed",), ("unlisted",), ("listed",)]
    assert list(link_metrics.made_links.drain()) == [(kind, 1) for kind in kinds]
    for _ in range(2):
        maker.revoke_all("demo")
    link_metrics.ended("maker")
    ends = [(("rotation",), 2), (("maker",), 1)]
    assert list(link_metrics.ended_links.drain()) == ends
