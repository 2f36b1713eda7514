"""Conditions of tus uploads: which file a name refers to, and when Wharf checks a condition."""

from __future__ import annotations

import pytest

from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.tenants import Signer
from tests.servers.wharf.tus_client import Tus, metadata


def test_if_match_replaces(tus: Tus, api: ApiClient) -> None:
    """An upload with `If-Match` replaces the named file, even without `on_conflict=replace`."""
    etag = api.stored("a.txt", b"there")["etag"]
    address = tus.create(3, headers={"If-Match": etag}, filename="a.txt").header("Location")
    assert tus.patch(address, 0, b"new").status == 204
    assert api.listed() == ["a.txt"]
    assert api.file("a.txt").body == b"new"


def test_if_match_and_another_name(tus: Tus, api: ApiClient) -> None:
    """A creation with `If-Match` and `on_conflict=rename` is refused: it would replace no file."""
    api.stored("a.txt", b"there")
    answer = tus.create(3, headers={"If-Match": "*"}, filename="a.txt", on_conflict="rename")
    assert answer.problem(422, "unprocessable")["field"] == "on_conflict"


def test_if_match_with_a_ticket_that_adds(tus: Tus, api: ApiClient, signer: Signer) -> None:
    """A ticket that may not replace files is refused with `If-Match`, and stores no file."""
    api.stored("in/a.txt", b"there")
    rules = {"bucket": "default", "prefix": "in/"}
    ticket = signer.token(tid=api.tenant, scope="files:write", ticket=rules)
    adding = Tus(api.using(ticket))
    answer = adding.create(3, headers={"If-Match": "*"}, filename="a.txt")
    answer.problem(409, "key-taken")
    assert api.listed() == ["in/a.txt"]


REFUSED = {
    "If-None-Match": ({"If-None-Match": "*"}, {}, 412, "precondition-failed"),
    "If-Match": ({"If-Match": '"other"'}, {}, 412, "precondition-failed"),
    "on_conflict": ({}, {"on_conflict": "error"}, 409, "key-taken"),
}


@pytest.mark.parametrize("which", REFUSED)
@pytest.mark.parametrize("concat", [False, True])
def test_refused_at_the_creation(tus: Tus, api: ApiClient, which: str, *, concat: bool) -> None:
    """A creation that an existing file forbids is refused early, and reserves nothing."""
    condition, said, status, slug = REFUSED[which]
    api.stored("a.txt", b"there")
    if concat:
        part = tus.create(9, headers={"Upload-Concat": "partial"}).header("Location")
        condition = {**condition, "Upload-Concat": f"final;{part}", "Upload-Length": ""}
    before = api.used()
    tus.create(9, None, condition, filename="a.txt", **said).problem(status, slug)
    assert api.used() == before
    # With an Idempotency-Key the creation succeeds: an
    # earlier try of this request may have stored the file.
    again = {**condition, "Idempotency-Key": "once"}
    assert tus.create(9, None, again, filename="a.txt", **said).status == 201


def test_parts_have_no_conditions(tus: Tus, api: ApiClient) -> None:
    """Wharf checks no condition when it creates a partial upload.

    The condition applies to the final file.
    """
    api.stored("a.txt", b"there")
    partial = {
        "Upload-Concat": "partial",
        "If-None-Match": "*",
        "Upload-Metadata": metadata(filename="a.txt", on_conflict="error"),
    }
    assert tus.create(9, headers=partial).status == 201
