"""Tests of what a ticket's rules allow, and of the texts of their refusals."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from servicekit.tickets import Ticket
from servicekit.tokens import MAX_LIFETIME_SECONDS
from tests.servers.granted import principal
from wharf_upload.access import tickets
from wharf_upload.access.tickets import TicketRefused, TicketUploadLimit
from wharf_upload.domain.file_writes import TicketUse
from wharf_upload.domain.keys import InvalidKey

FOLDER = Ticket(bucket="default", prefix="in", max_files=3)
ONE = Ticket(bucket="default", key="in/a", methods=("PUT",))
ANY = Ticket(bucket="default", prefix="")


@pytest.mark.parametrize(
    ("ticket", "place", "rule", "said"),
    [
        (ONE, ("POST", "default", "in/a"), "methods", "for PUT only."),
        (ANY, ("GET", "default", "in/a"), "methods", "for PUT and POST only."),
        (ONE, ("PUT", "photos", "in/a"), "bucket", "for the bucket default only."),
        (ONE, ("PUT", "photos", None), "bucket", "for the bucket default only."),
        (ONE, ("PUT", "default", "in/b"), "key", "for the key in/a only."),
        (FOLDER, ("PUT", "default", "out"), "prefix", "for keys that begin with in."),
    ],
)
def test_a_refusal_names_the_rule(
    ticket: Ticket, place: tuple[str, str, str | None], rule: str, said: str
) -> None:
    """A refusal names the rule and states what the ticket is for."""
    with pytest.raises(TicketRefused) as caught:
        tickets.require(ticket, *place)
    assert (caught.value.rule, str(caught.value)) == (rule, f"The ticket is {said}")


def test_a_key_may_come_later() -> None:
    """Without a key only bucket and method are checked."""
    tickets.require(ONE, "PUT", "default")
    tickets.require(FOLDER, "POST", "default", None)


def test_uploads_that_were_only_begun_have_a_limit() -> None:
    """A ticket for two files may begin 32 uploads, counted for as long as the ticket can last."""
    counts: Counter[str] = Counter()

    def counted(name: str, seconds: int) -> int:
        assert seconds == MAX_LIFETIME_SECONDS
        counts[name] += 1
        return counts[name]

    limit = TicketUploadLimit(counted)
    two = principal(ticket=msgspec.structs.replace(FOLDER, max_files=2))
    for _ in range(32):
        limit.count(two)
    with pytest.raises(TicketRefused) as caught:
        limit.count(two)
    said = (
        "The ticket is for 2 files, and clients have begun 32 uploads with it. Continue one of "
        "them, or get another ticket."
    )
    assert (caught.value.rule, str(caught.value)) == ("max_files", said)
    limit.count(msgspec.structs.replace(two, tenant="other"))
    limit.count(msgspec.structs.replace(two, token_id="other"))
    assert len(counts) == 3


def test_who_has_no_number_of_files_is_not_counted() -> None:
    """A caller without a ticket, or with one without a number of files, is not counted."""

    def counted(name: str, seconds: int) -> int:
        raise AssertionError(name, seconds)

    limit = TicketUploadLimit(counted)
    limit.count(principal())
    limit.count(principal(ticket=ANY))


def test_what_the_records_know_of_a_ticket() -> None:
    """The records know a ticket's id, its number of files and its expiry in milliseconds."""
    assert tickets.use_of(principal()) is None
    expected = TicketUse(id="t", max_files=3, expires_at=2_000_000_000_000)
    assert tickets.use_of(principal(ticket=FOLDER)) == expected
    assert tickets.use_of(principal(ticket=ANY)) == TicketUse(
        id="t", max_files=None, expires_at=2_000_000_000_000
    )


@pytest.mark.parametrize(
    ("ticket", "folder", "key"),
    [
        (FOLDER, "in/", "in/x/y"),
        (msgspec.structs.replace(FOLDER, prefix="in/"), "in/", "in/x/y"),
        (ANY, "", "x/y"),
        (ONE, "", "in/a"),
    ],
)
def test_names_are_put_behind_the_prefix(ticket: Ticket, folder: str, key: str) -> None:
    """A name is appended to the ticket's prefix as a folder; a ticket for a key gives that key."""
    assert (tickets.folder(ticket), tickets.key_of(ticket, b"x/y")) == (folder, key)


def test_names_without_a_ticket() -> None:
    """Without a ticket there is no folder, and an invalid or too long key is refused."""
    assert tickets.folder(None) == ""
    long = msgspec.structs.replace(ANY, prefix="a/" * 500)
    assert tickets.key_of(long, b"b" * 20).endswith("/" + "b" * 20)
    for ticket, name in ((ANY, b"../a"), (long, b"b" * 100)):
        with pytest.raises(InvalidKey):
            tickets.key_of(ticket, name)


@pytest.mark.parametrize(
    ("ticket", "replaces", "most"),
    [
        (None, True, 10),
        (ONE, True, 1),
        (msgspec.structs.replace(ONE, create_only=True), False, 1),
        (msgspec.structs.replace(ONE, max_files=5), True, 1),
        (ANY, False, 10),
        (FOLDER, False, 3),
        (msgspec.structs.replace(FOLDER, max_files=0), False, 1),
        (msgspec.structs.replace(FOLDER, max_files=10), False, 10),
        (msgspec.structs.replace(FOLDER, max_files=11), False, 10),
    ],
)
def test_what_a_form_may_do(ticket: Ticket | None, most: int, *, replaces: bool) -> None:
    """A form replaces only the key that its ticket names.

    A form has at most as many files as both the ticket and the service allow.
    """
    assert tickets.may_replace(ticket) == replaces
    assert tickets.most_files(ticket, 10) == most
