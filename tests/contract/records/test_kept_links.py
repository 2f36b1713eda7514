"""The rows of signed links, on SQLite and on PostgreSQL."""

from __future__ import annotations

from itertools import count

import msgspec
import pytest

from servicekit.database import Database
from servicekit.reaches import Maker
from tests.contract.records.test_row_limits import at_once, limited
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.kept_links import KeptLink, LinkFilter
from wharf_upload.domain.refusals import LimitReached

ALL = LinkFilter()
# Ids of one millisecond are not ordered, so the tests use numbers.
_NUMBERS = count(1)
MAKER = Maker("person-1", 3, by_own=False, groups=("g1", "g2"), username="ä")


def kept(records: SqlRecords, target: str = "a/b.txt", **more: object) -> KeptLink:
    """Store a link and return it."""
    link = KeptLink(
        tenant="demo",
        id=f"{next(_NUMBERS):032x}",
        bucket="photos",
        target=target,
        is_prefix=target.endswith("/") or not target,
        disposition="inline",
        filename="",
        maker=Maker("client-1"),
        tokens=("t1",),
        created_at=1000,
        expires_at=2000,
    )
    link = msgspec.structs.replace(link, **more)
    records.keep_link(link)
    return link


def listed(
    records: SqlRecords, wanted: LinkFilter = ALL, now: int = 1000, before: str = "", limit: int = 9
) -> list[str]:
    found = records.kept_links("demo", wanted, now=now, before=before, limit=limit)
    return [link.id for link in found]


def test_a_link_is_kept_as_it_was_made(records: SqlRecords) -> None:
    """A link is read with all its fields. Another tenant cannot read the link."""
    link = kept(records, "ä 😀/", maker=MAKER, filename="x'y", tokens=("t1", "t2"))
    assert records.kept_link("demo", link.id) == link
    assert records.tokens_of_link("demo", link.id) == ("t1", "t2")
    assert records.kept_link("other", link.id) is None
    assert records.tokens_of_link("other", link.id) is None


def test_pages_and_filters(records: SqlRecords) -> None:
    """Links of one tenant that have not expired are listed newest first, and a filter by key also
    finds links to folders above the key.
    """
    file = kept(records).id
    folder = kept(records, "a/", maker=MAKER).id
    whole = kept(records, "", bucket="films").id
    kept(records, tenant="other")
    assert listed(records) == [whole, folder, file]
    assert listed(records, limit=2) == [whole, folder]
    assert listed(records, before=folder) == [file]
    assert listed(records, now=2000) == []
    assert listed(records, LinkFilter(maker="person-1")) == [folder]
    assert listed(records, LinkFilter(bucket="films")) == [whole]
    for key, shown in (("a/b.txt", [folder, file]), ("a/b", [folder]), ("A/b.txt", [])):
        assert listed(records, LinkFilter(bucket="photos", key=key)) == shown
    assert listed(records, LinkFilter(bucket="films", key="any")) == [whole]
    # In a LIKE pattern these characters would match other characters.
    wild = kept(records, "a_%/").id
    assert listed(records, LinkFilter(bucket="photos", key="a_%/x")) == [wild]
    assert listed(records, LinkFilter(bucket="photos", key="abc/x")) == []


@pytest.mark.usefixtures("all_tenants")
def test_ends(records: SqlRecords) -> None:
    """A link ends once, `end_links` ends one tenant's links up to a time, and
    `forget_links` drops expired links.
    """
    one, other = kept(records), kept(records, tenant="other")
    assert records.end_link("demo", one.id)
    assert not records.end_link("demo", one.id)
    assert not records.end_link("demo", other.id)
    for number in range(3):
        kept(records, created_at=1000 + number, expires_at=2000 + number)
    assert records.end_links("demo", 1000) == 1
    assert records.forget_links(2001) == 1  # the link of the other tenant
    assert len(listed(records)) == 2
    assert records.forget_links(2002) == 1
    (left,) = listed(records)
    records.remove_links("demo", [left, "0" * 32])
    assert listed(records) == []


def test_recent_links(records: SqlRecords) -> None:
    """Recent links are listed oldest first, page by page, of one tenant only."""
    links = [kept(records, tokens=(f"t{number}",)) for number in range(3)]
    kept(records, tenant="other")
    first = records.recent_links("demo", "", 2)
    assert first == [(link.id, link.tokens) for link in links[:2]]
    assert records.recent_links("demo", links[1].id, 2) == [(links[2].id, ("t2",))]


def test_a_tenant_has_so_many_links(database: Database) -> None:
    """A link above the limit is refused until another link ends. The refusal names the request
    that ends a link.
    """
    records = limited(database, links=2)
    one, _ = kept(records), kept(records)
    with pytest.raises(LimitReached) as caught:
        kept(records)
    assert (caught.value.what, caught.value.limit_count) == ("links", 2)
    assert "DELETE /v1/links/{id}" in str(caught.value)
    kept(records, tenant="other")
    records.end_link("demo", one.id)
    # These records act for another process: the first records have counted the links just now.
    kept(limited(database, links=2))
    assert len(listed(records)) == 2


def test_the_last_links_are_made_once(database: Database) -> None:
    """If two processes add six links at the same time and two more are allowed,
    exactly two are stored.
    """
    both = [limited(database, links=2) for _ in range(2)]
    calls = [lambda records=both[number % 2]: kept(records) for number in range(6)]
    assert at_once(database, calls) == [False] * 4 + [True] * 2  # type: ignore[arg-type]
