"""A listing matches a simple model: keys by code point, rolled up by delimiter, cut into pages."""

from __future__ import annotations

from uuid import uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from servicekit.grants import CompactGrant
from servicekit.pages import PAGE_BYTES
from servicekit.reach import reach_of
from tests.servers.upload import new_file
from wharf_upload.database.contract import Records
from wharf_upload.domain.file_writes import Write

# The keys use few characters, so that they have common prefixes. The characters have all UTF-8
# lengths, and the last code point is one of them.
_NARROW = st.text("ab/é文\U0001f389\U0010ffff", min_size=1, max_size=6)
_ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
_KEYS = st.lists(st.one_of(_NARROW, _ANY.filter(bool)), max_size=12, unique=True)
# A slow machine is no failure, and all examples share one database on purpose.
_FIXTURE = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def entries(keys: list[str], prefix: str, delimiter: str) -> list[str]:
    """Return the entries of a listing without pages, in order, as the model expects them."""
    found = []
    for key in sorted(key for key in keys if key.startswith(prefix)):
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = key if at < 0 else key[: at + len(delimiter)]
        if entry not in found:
            found.append(entry)
    return found


def listed(
    records: Records,
    tenant: str,
    prefix: str,
    delimiter: str,
    limit: int,
    within: tuple[str, ...] = ("",),
) -> list[str]:
    """Return the entries of all pages. Assert that each page is full unless it is the last."""
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        page = records.list_files(
            tenant,
            "default",
            prefix=prefix,
            delimiter=delimiter,
            after=after,
            limit=limit,
            within=within,
        )
        entries = [*(file.key for file in page.files), *page.prefixes]
        assert len(entries) == limit or page.next_after is None
        assert 0 < len(entries) <= limit or not found
        found += sorted(entries)
        assert len(found) <= 100, "the listing does not end"
        after = page.next_after
    return found


def tenant_with(records: Records, keys: list[str]) -> str:
    """Return a new tenant with a file for each key."""
    tenant = uuid4().hex
    if keys:
        records.write(Write(files=tuple(new_file(key, tenant=tenant) for key in keys)))
    return tenant


@given(keys=_KEYS, prefix=_NARROW | st.just(""), limit=st.integers(1, 5))
@example(keys=["a\U0010ffff", "a\U0010ffffb", "b"], prefix="a", limit=1)
@settings(max_examples=30, deadline=None, suppress_health_check=_FIXTURE)
def test_listing(records: Records, keys: list[str], prefix: str, limit: int) -> None:
    """Pages of any length show exactly the keys with the prefix, in the order of code points."""
    tenant = tenant_with(records, keys)
    assert listed(records, tenant, prefix, "", limit) == entries(keys, prefix, "")


@given(
    keys=_KEYS,
    prefix=st.sampled_from(["", "a", "a/", "b", "é", "ab"]),
    delimiter=st.sampled_from(["/", "a", "ab", "é", "//", "\U0010ffff"]),
    limit=st.integers(1, 5),
)
@example(keys=["a", "ab"], prefix="a", delimiter="a", limit=1)
@example(keys=["ab", "abc"], prefix="a", delimiter="ab", limit=1)
@example(keys=["a/\U0010ffffb", "a/c", "b"], prefix="", delimiter="/", limit=1)
@settings(max_examples=50, deadline=None, suppress_health_check=_FIXTURE)
def test_listing_with_a_delimiter(
    records: Records, keys: list[str], prefix: str, delimiter: str, limit: int
) -> None:
    """Each key is shown once, or rolled up into a prefix that is shown once,
    for any page length.
    """
    tenant = tenant_with(records, keys)
    assert listed(records, tenant, prefix, delimiter, limit) == entries(keys, prefix, delimiter)


@given(
    keys=_KEYS,
    granted=st.sets(_NARROW | st.sampled_from(["a/", "b/", "a/b/", "ab"]), max_size=6),
    prefix=st.sampled_from(["", "a", "a/", "b", "é", "ab"]),
    delimiter=st.sampled_from(["", "/", "a", "ab", "//", "\U0010ffff"]),
    limit=st.integers(1, 5),
)
@example(
    keys=["a/a", "a/b/a", "b"], granted={"a/b/", "a/c/", "b/"}, prefix="", delimiter="/", limit=1
)
@example(keys=["a/", "ab", "abc"], granted={"a/", "ab"}, prefix="a", delimiter="b", limit=1)
@settings(max_examples=60, deadline=None, suppress_health_check=_FIXTURE)
def test_listing_within_grants(
    records: Records, keys: list[str], granted: set[str], prefix: str, delimiter: str, limit: int
) -> None:
    """A listing within grants shows exactly the entries of the keys that begin with a granted
    prefix. All pages except the last are full.
    """
    tenant = tenant_with(records, keys)
    within = reach_of(CompactGrant("default", one, "l") for one in granted).prefixes(
        "list", "default"
    )
    allowed = [key for key in keys if key.startswith(tuple(granted))]
    found = listed(records, tenant, prefix, delimiter, limit, within)
    assert found == entries(allowed, prefix, delimiter)


def test_order(records: Records) -> None:
    """Keys are sorted by code point, and not by the collation of the database."""
    keys = ["a", "B", "ä", "Z", "z", "\uffee", "\U0001f389", "_", "10", "9", "A b", "A-b"]
    tenant = tenant_with(records, keys)
    assert listed(records, tenant, "", "", 100) == sorted(keys)


@pytest.mark.parametrize("after", ["a", "b", "c", "zzz"])
def test_any_cursor(records: Records, after: str) -> None:
    """A cursor may be a key that does not exist. The listing continues after this key."""
    keys = ["a", "b", "d"]
    tenant = tenant_with(records, keys)
    page = records.list_files(tenant, "default", prefix="", delimiter="", after=after, limit=10)
    assert [file.key for file in page.files] == [key for key in keys if key > after]


def test_a_page_behind_a_folder(records: Records) -> None:
    """The page after a page that ends with a folder starts after all keys of the folder."""
    tenant = tenant_with(records, ["/x", "a/1", "a/2", "b", "c"])
    assert listed(records, tenant, "", "/", 1) == ["/", "a/", "b", "c"]


def test_a_folder_is_passed_over(records: Records) -> None:
    """A folder with many files is one entry, and the entries after it are on the same page."""
    keys = [f"folder/{number:04}" for number in range(500)] + ["zebra"]
    tenant = tenant_with(records, keys)
    page = records.list_files(tenant, "default", prefix="", delimiter="/", after="", limit=10)
    assert page.prefixes == ("folder/",)
    assert [file.key for file in page.files] == ["zebra"]
    assert page.next_after is None


def test_a_page_has_a_bound_in_bytes(records: Records) -> None:
    """A page with much metadata ends early, and the next page continues after it."""
    tenant, metadata = uuid4().hex, {"note": "x" * (PAGE_BYTES // 4)}
    files = (new_file(f"{n:02}", tenant=tenant, metadata=metadata) for n in range(10))
    records.write(Write(files=tuple(files)))
    keys: list[str] = []
    sizes: list[int] = []
    after: str | None = ""
    while after is not None:
        page = records.list_files(
            tenant, "default", prefix="", delimiter="", after=after, limit=1000
        )
        keys += [file.key for file in page.files]
        sizes.append(len(page.files))
        after = page.next_after
    assert sizes == [4, 4, 2]
    assert keys == [f"{n:02}" for n in range(10)]


@pytest.mark.parametrize(("missing", "count"), [(0, 4), (1, 5)])
def test_the_last_byte_of_a_page(records: Records, missing: int, count: int) -> None:
    """A page ends exactly when its bytes reach the limit, and not one byte earlier."""
    tenant = uuid4().hex
    # The size of a file's entry counts the key four times and the name `note` once.
    sizes = [PAGE_BYTES // 4 - 12] * 3 + [PAGE_BYTES - 3 * (PAGE_BYTES // 4) - 12 - missing, 1, 1]
    records.write(
        Write(
            files=tuple(
                new_file(f"{number:02}", tenant=tenant, metadata={"note": "x" * size})
                for number, size in enumerate(sizes)
            )
        )
    )
    page = records.list_files(tenant, "default", prefix="", delimiter="", after="", limit=1000)
    assert len(page.files) == count
    assert page.next_after == f"{count - 1:02}"


def test_the_last_page(records: Records) -> None:
    """A page that ends exactly at the last entry has no next page, with and without a delimiter."""
    tenant = tenant_with(records, ["a/1", "a/2", "b"])
    for delimiter, limit in (("", 3), ("/", 2)):
        page = records.list_files(
            tenant, "default", prefix="", delimiter=delimiter, after="", limit=limit
        )
        assert page.next_after is None
