"""Tests that refusals for lack of space do not reveal the disk's free space."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from servicekit.testing import Issuer
from tests.servers.narrowed import narrowed
from tests.servers.upload import UploadService, assemble, settings_for
from tests.unit.upload.test_body_room import MIB, Cramped, Disk
from wharf_upload.domain.tenant_limits import Limits
from wharf_upload.storage.base import Room
from wharf_upload.storage.timed import TimedStore

INODES = 1_000_000


def refusals(data: Path, issuer: Issuer, room: Room, *lengths: int | None) -> list[str]:
    """Return the responses to bodies of these lengths, sent in every way, with this free space."""
    settings = settings_for(data, durability="relaxed", disk_reserve_inodes=1000)
    disk = Disk(data, durable=False)
    disk.prepare()
    disk.left = room
    cramped = Cramped(assemble(settings, issuer, TimedStore(disk)), disk)
    replies = [cramped.service.put("small.txt", b"x" * 1000)]
    for length in lengths:
        replies += [cramped.ask(length), cramped.ask_form(length)]
    cramped.service.database.close()
    return [seen(reply) for reply in replies]


def seen(reply: TestResponse) -> str:
    """Return the complete response that the client gets, without the request's id."""
    problem = json.loads(reply.headers.get("X-Denied-Problem") or reply.data)
    assert problem.pop("status") == 507
    assert problem.pop("request_id")
    fields = {
        name: value
        for name, value in reply.headers
        if name not in {"X-Request-Id", "X-Denied-Problem", "Content-Length", "Date"}
    }
    return json.dumps([problem, fields], sort_keys=True)


@pytest.mark.parametrize(
    ("one", "other", "lengths"),
    [
        (Room(900, INODES), Room(-7 * MIB, INODES), (None, MIB)),
        (Room(0, INODES), Room(900, INODES), (None, 1 << 30)),
        (Room(9 * MIB, 1000), Room(90 * MIB, 900), (None, MIB)),
    ],
)
def test_no_answer_tells_the_room(
    upload_data: Path, issuer: Issuer, one: Room, other: Room, lengths: tuple[int | None, ...]
) -> None:
    """Bodies that do not fit get byte for byte the same response for any size of the free space."""
    assert refusals(upload_data, issuer, one, *lengths) == refusals(
        upload_data, issuer, other, *lengths
    )


def asked(upload: UploadService, headers: dict[str, str]) -> tuple[int, str]:
    """Return the status, and the limit to report, of the admission of a body without a length."""
    environ: dict[str, Any] = {"WHARF_STEP": "admit", "CONTENT_LENGTH": ""}
    reply = upload.request("PUT", "/v1/files/default/a", b"", headers, environ)
    assert "X-Body-Class" in reply.headers
    upload.context.receiving.body_room.give_back(reply.headers["X-Reservation"])
    return reply.status_code, reply.headers["X-Body-Limit"]


def test_a_body_that_is_cut_by_the_disk_is_told_no_number(
    upload_data: Path, issuer: Issuer
) -> None:
    """The gateway gets the bucket's limit to report, but no limit if the disk cuts the body."""
    settings = settings_for(upload_data, durability="relaxed", disk_reserve_inodes=0)
    disk = Disk(upload_data, durable=False)
    disk.prepare()
    service = assemble(settings, issuer, TimedStore(disk))
    policy = {"Content-Type": "application/json"}
    body = json.dumps({"max_file_bytes": 8 * MIB}).encode()
    service.request("PUT", "/v1/buckets/default", body, policy)
    assert asked(service, {}) == (204, str(8 * MIB))
    disk.left = Room(9 * MIB, INODES)
    assert asked(service, {}) == (204, "0")
    service.database.close()


def test_who_does_not_reach_everything_is_told_no_quota(upload: UploadService) -> None:
    """The limit from the quota is reported only to a caller that may see the usage."""
    upload.records.put_limits("demo", Limits(max_bytes=5000))
    assert asked(upload, {}) == (204, "5000")
    assert asked(upload, narrowed(upload, "write:default").headers) == (204, "0")
