"""Tests of the reservation before a body: two bodies never use the same free space."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from werkzeug.test import TestResponse

from servicekit.database import DatabaseUnavailable
from servicekit.testing import Issuer
from tests.servers.upload import BOUNDARY, UploadService, assemble, form_body, settings_for
from wharf_upload import signals
from wharf_upload.domain.reservation import Reserved
from wharf_upload.domain.tenant_limits import Limits
from wharf_upload.storage.base import Room
from wharf_upload.storage.local import LocalStore
from wharf_upload.storage.timed import TimedStore

MIB = 1 << 20
GIB = 1 << 30
FORM = f"multipart/form-data; boundary={BOUNDARY}"


class Disk(LocalStore):
    """A store whose disk has the room that the test sets."""

    left = Room(621 * MIB, 100_000)

    def room(self) -> Room:
        """Return the room that the test set."""
        return self.left


@dataclass
class Cramped:
    """A service whose store is on a `Disk` of limited space."""

    service: UploadService
    disk: Disk

    def ask(self, length: int | None, key: str = "a.bin", **changes: Any) -> TestResponse:
        """Ask for the admission of a large `PUT`, as nginx does."""
        return self._ask("PUT", f"/v1/files/default/{key}", length, **changes)

    def ask_form(self, length: int | None, **changes: Any) -> TestResponse:
        """Ask for the admission of a form."""
        headers = {"Content-Type": FORM, **changes.pop("headers", {})}
        return self._ask("POST", "/v1/files/default", length, headers=headers, **changes)

    def ask_by_ticket(
        self, ticket: str, length: int | None, *, form: bool = False, **headers: str
    ) -> TestResponse:
        """Ask for admission with a ticket in the path."""
        fields = {"Authorization": "", **{k.replace("_", "-"): v for k, v in headers.items()}}
        if form:
            fields["Content-Type"] = FORM
            return self._ask("POST", f"/u/{ticket}", length, headers=fields)
        return self._ask("PUT", f"/u/{ticket}/a.bin", length, headers=fields)

    def ticket(self, **rules: Any) -> str:
        """Return a new ticket for one file."""
        rules = {"bucket": "default", "prefix": "in/", "max_files": 1, **rules}
        return self.service.issuer.token(tid="demo", scope="files:write", ticket=rules)

    def _ask(
        self,
        method: str,
        path: str,
        length: int | None,
        *,
        tenant: str = "demo",
        headers: dict[str, str] | None = None,
    ) -> TestResponse:
        self.service.tenant = tenant
        said = "" if length is None else str(length)
        environ = {"WHARF_STEP": "admit", "CONTENT_LENGTH": said}
        return self.service.request(method, path, b"", headers or {}, environ)

    def end(self, reply: TestResponse) -> None:
        """End the request's reservation, as the gateway does."""
        self.service.context.receiving.body_room.give_back(reservation(reply))

    def reserved(self) -> Reserved:
        """Return what is reserved on the disk."""
        return self.service.context.reservations.reserved()

    def limit(self, **limits: int) -> None:
        """Set the limits of the tenant."""
        self.service.records.put_limits("demo", Limits(**limits))
        self.service.context.access.tenant_limits.forget("demo")


@pytest.fixture
def cramped(upload_data: Any, issuer: Issuer) -> Iterator[Cramped]:
    """Return a service whose disk has 621 MiB left."""
    settings = settings_for(upload_data, durability="relaxed", disk_reserve_inodes=1000)
    disk = Disk(upload_data, durable=False)
    disk.prepare()
    service = assemble(settings, issuer, TimedStore(disk))
    yield Cramped(service, disk)
    service.database.close()


def reservation(reply: TestResponse) -> str:
    """Return the id of an admission's reservation."""
    assert reply.status_code == 204, reply.headers
    return str(json.loads(urlsafe_b64decode(reply.headers["X-Admission"]))["reservation"])


def refused(reply: TestResponse) -> tuple[int, str, dict[str, Any]]:
    """Return status, slug and members of a refusal."""
    problem = json.loads(reply.headers["X-Denied-Problem"])
    return problem["status"], problem["type"].removeprefix("/problems/"), problem


# ---- the disk ----


def test_two_bodies_and_one_room(cramped: Cramped) -> None:
    """If only one of two bodies fits, the first is admitted, and the second gets Retry-After."""
    first = cramped.ask(549 * MIB)
    second = cramped.ask(549 * MIB, "b.bin", tenant="else")
    status, slug, problem = refused(second)
    assert (status, slug, problem["needed_bytes"]) == (507, "storage-full", 549 * MIB)
    assert second.headers["X-Denied-Retry-After"] == "10"
    cramped.end(first)
    assert cramped.ask(549 * MIB, "b.bin", tenant="else").status_code == 204


def test_one_tenant_leaves_room(cramped: Cramped) -> None:
    """The reservations of one tenant never take all the space."""
    while cramped.ask(50 * MIB).status_code == 204:
        pass
    status, slug, problem = refused(cramped.ask(50 * MIB))
    assert (status, slug) == (507, "storage-full")
    assert problem["retry_after"] == 10
    assert cramped.reserved().disk_bytes <= 621 * MIB * 90 // 100
    assert cramped.ask(60 * MIB, tenant="else").status_code == 204


def test_tenants_together_leave_room(cramped: Cramped) -> None:
    """The reservations of several tenants leave space for small bodies without a reservation."""
    for tenant in ("one", "two"):
        for size in (10 * MIB, MIB, 99_000):
            while cramped.ask(size, tenant=tenant).status_code == 204:
                pass
    cramped.service.tenant = "demo"
    assert cramped.service.put("small.txt", b"x" * 99_000).status_code == 201


def test_what_never_fits(cramped: Cramped) -> None:
    """A body that can never fit on the disk gets 507 without Retry-After."""
    reply = cramped.ask(700 * MIB)
    assert refused(reply)[:2] == (507, "storage-full")
    assert "X-Denied-Retry-After" not in reply.headers


def test_a_form_lies_there_twice(cramped: Cramped) -> None:
    """A form reserves twice its length, one inode, and an inode for each file that it may have."""
    assert refused(cramped.ask_form(300 * MIB))[:2] == (507, "storage-full")
    assert cramped.ask_form(200 * MIB).status_code == 204
    found = cramped.reserved()
    assert (found.disk_bytes, found.inodes) == (400 * MIB, 101)


def test_inodes(cramped: Cramped) -> None:
    """Two bodies do not share the last inodes above the reserve."""
    cramped.disk.left = Room(621 * MIB, 1003)
    first = cramped.ask(MIB)
    reply = cramped.ask(MIB, "b.bin")
    assert refused(reply)[:2] == (507, "storage-full")
    assert reply.headers["X-Denied-Retry-After"] == "10"
    cramped.end(first)
    assert cramped.ask(MIB, "b.bin").status_code == 204
    cramped.disk.left = Room(621 * MIB, 1000)
    assert cramped.service.put("small.txt", b"x").status_code == 507


def test_a_disk_that_counts_no_inodes(cramped: Cramped) -> None:
    """No body is refused for inodes on a filesystem that does not count them."""
    cramped.disk.left = Room(621 * MIB, None)
    assert cramped.ask(MIB).status_code == 204
    assert cramped.service.put("small.txt", b"x").status_code == 201


def test_small_bodies_see_what_is_reserved(cramped: Cramped) -> None:
    """A small body without a reservation is refused if all free space is reserved."""
    cramped.disk.left = Room(2 * MIB, 100_000)
    cramped.ask(MIB + 700_000)
    assert cramped.service.put("small.txt", b"x" * 90_000).status_code == 201
    cramped.ask(200_000, tenant="else")
    cramped.service.tenant = "demo"
    room = cramped.service.context.receiving.room
    room._ask_at = room._look_at = 0.0
    reply = cramped.service.put("small.txt", b"x" * 300_000)
    assert reply.status_code == 507
    assert reply.headers["Retry-After"] == "10"


# ---- quota and ticket ----


def test_two_bodies_and_one_quota(cramped: Cramped) -> None:
    """Two bodies do not share the rest of a quota, and a stored body counts once."""
    cramped.limit(max_bytes=150_000)
    first = cramped.ask(100_000)
    status, slug, problem = refused(cramped.ask(100_000, "b.bin"))
    assert (status, slug, problem["used_bytes"]) == (507, "tenant-quota-exceeded", 100_000)
    assert problem["retry_after"] == 10
    cramped.end(first)
    assert cramped.service.put("a.bin", b"x" * 100_000, spooled=True).status_code == 201
    assert "X-Denied-Retry-After" not in cramped.ask(100_000, "b.bin").headers
    assert cramped.ask(50_000, "b.bin").status_code == 204
    assert cramped.reserved().bodies == 1


def test_files_of_a_quota(cramped: Cramped) -> None:
    """A file under way counts against the quota of files."""
    cramped.limit(max_files=1)
    cramped.ask(MIB)
    assert refused(cramped.ask(MIB, "b.bin"))[:2] == (507, "tenant-quota-exceeded")


def test_a_replacement_needs_what_it_adds(cramped: Cramped) -> None:
    """A body that replaces a file reserves only the difference of the sizes from the quota."""
    cramped.limit(max_bytes=100_000)
    assert cramped.service.put("a.bin", b"x" * 90_000).status_code == 201
    assert cramped.ask(95_000, "b.bin").status_code == 403
    assert cramped.ask(95_000, "a.bin").status_code == 204
    assert refused(cramped.ask(96_000, "a.bin"))[1] == "tenant-quota-exceeded"


def test_a_repeat_reserves_the_disk(cramped: Cramped) -> None:
    """A request with an Idempotency-Key passes a quota that is too small, but not a full disk."""
    cramped.limit(max_bytes=1000)
    headers = {"Idempotency-Key": "k"}
    assert cramped.ask(500 * MIB, headers=headers).status_code == 204
    assert refused(cramped.ask(500 * MIB, headers=headers))[1] == "storage-full"


def test_a_ticket_for_one_file_reserves_one(cramped: Cramped) -> None:
    """A ticket for one file admits one body at a time, even with an Idempotency-Key."""
    ticket = cramped.ticket()
    first = cramped.ask_by_ticket(ticket, MIB)
    second = cramped.ask_by_ticket(ticket, MIB)
    status, slug, problem = refused(second)
    assert (status, slug, problem["under_way"]) == (403, "ticket-used-up", 1)
    assert second.headers["X-Denied-Retry-After"] == "1"
    repeat = cramped.ask_by_ticket(ticket, MIB, Idempotency_Key="k")
    assert refused(repeat)[1] == "ticket-used-up"
    assert cramped.ask_by_ticket(cramped.ticket(), MIB).status_code == 204
    cramped.end(first)
    assert cramped.ask_by_ticket(ticket, MIB).status_code == 204


def test_forms_of_a_ticket_reserve_its_bytes(cramped: Cramped) -> None:
    """A ticket for one file admits concurrent forms that together have the size of one file."""
    ticket = cramped.ticket(max_file_bytes=10 * MIB)
    assert cramped.ask_by_ticket(ticket, 5 * MIB, form=True).status_code == 204
    assert cramped.ask_by_ticket(ticket, 5 * MIB, form=True).status_code == 204
    refusal = refused(cramped.ask_by_ticket(ticket, 5 * MIB, form=True))
    assert (refusal[1], refusal[2]["under_way"]) == ("ticket-used-up", 2)


# ---- bodies without a length ----


def taken_class(cramped: Cramped) -> int | None:
    """Return the reserved bytes, which show at which size the gateway cuts the last body."""
    return cramped.reserved().disk_bytes


def test_the_class_holds_the_limit(cramped: Cramped) -> None:
    """A body without a length reserves the smallest body class that covers the largest allowed
    file.
    """
    cramped.limit(max_file_bytes=1000)
    cramped.ask(None)
    assert taken_class(cramped) == 1024


def test_the_class_by_the_quota(cramped: Cramped) -> None:
    """The class covers what is left of the quota; without any quota left the body is refused."""
    cramped.limit(max_bytes=100_000)
    assert cramped.service.put("a.bin", b"x" * 90_000).status_code == 201
    reply = cramped.ask(None, "b.bin")
    assert taken_class(cramped) == 16_384
    assert refused(cramped.ask(None, "c.bin"))[1] == "tenant-quota-exceeded"
    cramped.end(reply)
    assert cramped.ask(None, "c.bin").status_code == 204


def test_the_class_by_the_disk(cramped: Cramped) -> None:
    """The body class is never above the free space, and leaves space for the next body."""
    cramped.ask(None)
    first = taken_class(cramped)
    assert first == 256 * MIB
    cramped.ask(None, tenant="else")
    assert taken_class(cramped) == first + 128 * MIB
    cramped.disk.left = Room(1500, 100_000)
    assert refused(cramped.ask(None, tenant="third"))[1] == "storage-full"


def test_the_class_of_a_form(cramped: Cramped) -> None:
    """A form without a length reserves twice the size of its body class."""
    cramped.limit(max_file_bytes=1000)
    cramped.ask_form(None)
    assert cramped.reserved().disk_bytes == 2 * 2 * MIB


# ---- the end ----


@pytest.mark.parametrize("kind", ["stored", "refused", "gone"])
def test_room_is_given_back(cramped: Cramped, kind: str) -> None:
    """A reservation ends with its request: with a stored, a refused or a missing body."""
    if kind == "stored":
        assert cramped.service.put("a.bin", b"x" * 200_000, spooled=True).status_code == 201
    elif kind == "refused":
        headers = {"Content-Digest": "sha-256=:" + "A" * 43 + "=:"}
        reply = cramped.service.put("a.bin", b"x" * 200_000, headers, spooled=True)
        assert reply.status_code == 400
    else:
        admission = cramped.ask(MIB).headers["X-Admission"]
        environ = {"SPOOL_FILE": "/nowhere", "ADMISSION": admission}
        reply = cramped.service.request("PUT", "/v1/files/default/a.bin", environ=environ)
        assert reply.status_code >= 400
    assert cramped.reserved() == Reserved()


def test_a_form_gives_back(cramped: Cramped) -> None:
    """A form ends its whole reservation, files included."""
    assert cramped.service.post_form(form_body([("a.bin", b"a")])).status_code == 201
    assert cramped.reserved() == Reserved()


def test_a_stored_body_counts_once(cramped: Cramped) -> None:
    """The reservation of a stored body does not cause the refusal of another body."""
    cramped.limit(max_bytes=400_000)
    asked: list[int] = []

    def ask(*_: object, **__: object) -> None:
        asked.append(cramped.ask(200_000, "b.bin").status_code)

    with signals.accepted.connected_to(ask):
        assert cramped.service.put("a.bin", b"x" * 200_000, spooled=True).status_code == 201
    assert asked == [204]


def test_a_refused_admission_reserves_nothing(cramped: Cramped) -> None:
    """A body that exceeds the bytes of this minute leaves no reservation."""
    cramped.limit(bytes_per_minute=1000)
    cramped.ask(MIB)
    assert refused(cramped.ask(MIB))[0] == 429
    assert cramped.reserved().bodies <= 1


def test_room_is_given_back_late(cramped: Cramped, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reservation that cannot be ended during an outage is ended after the outage."""
    room, reservations = (
        cramped.service.context.receiving.body_room,
        cramped.service.context.reservations,
    )

    def away(_: object) -> int:
        raise DatabaseUnavailable("it is away")

    first, streamed = cramped.ask(MIB), room.take_disk("demo", MIB, lambda: 0)
    with monkeypatch.context() as patched:
        patched.setattr(reservations, "end", away)
        cramped.end(first)
        room.give_back(streamed)
        room.give_back_late()
        assert cramped.reserved().bodies == 2
    room.give_back_late()
    assert cramped.reserved() == Reserved()


@pytest.mark.parametrize("seconds_ago", [59, 61])
def test_a_question_that_was_given_up(cramped: Cramped, seconds_ago: int) -> None:
    """An admission for which the gateway no longer waits reserves nothing."""
    environ = {
        "WHARF_STEP": "admit",
        "CONTENT_LENGTH": str(MIB),
        "WHARF_ASKED": f"{time.time() - seconds_ago:.3f} 60",
    }
    reply = cramped.service.request("PUT", "/v1/files/default/a.bin", environ=environ)
    if seconds_ago < 60:
        assert reply.status_code == 204
    else:
        assert refused(reply)[:2] == (503, "unavailable")
    assert cramped.reserved().bodies == (seconds_ago < 60)


# ---- /readyz ----


def down(cramped: Cramped, path: str) -> dict[str, str]:
    """Return the failing parts of /readyz, with the reasons."""
    reply = cramped.service.request("GET", path)
    document: dict[str, dict[str, str]] = json.loads(reply.data)
    assert (reply.status_code == 503) == ("down" in document)
    return document.get("down", {})


@pytest.mark.parametrize(
    ("room", "said"),
    [
        (Room(0, 100_000), "no bytes left"),
        (Room(GIB, 1000), "no inodes left"),
        (Room(GIB, 100_000, read_only=True), "read-only"),
    ],
)
def test_not_ready(cramped: Cramped, room: Room, said: str) -> None:
    """`/readyz` states in words why the disk takes no uploads; a probe can exclude this part."""
    assert "room" not in down(cramped, "/readyz")
    cramped.disk.left = room
    found = down(cramped, "/readyz")["room"]
    assert said in found
    # A client without a token must not learn the size of the disk.
    assert not any(map(str.isdigit, found))
    assert "room" not in down(cramped, "/readyz?exclude=room")
