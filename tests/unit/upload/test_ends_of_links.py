"""Tests that a signed link shows only what its maker may read when the link is used."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

import msgspec
import pytest

from servicekit.grants_claim import GroupPart
from servicekit.reaches import Maker, ReachChange
from servicekit.tokens import MAX_PARENTS
from tests.servers.granted import compact
from tests.servers.narrowed import Caller, narrowed, tell
from tests.servers.upload import UploadService
from wharf_upload.access import links
from wharf_upload.access.links import Link

FILE, FOLDER = {"key": "a/b.txt"}, {"prefix": "a/"}


@pytest.fixture
def stored(upload: UploadService) -> UploadService:
    """Return a service with two files in one folder, and one outside."""
    for key in ("a/b.txt", "a/c.txt", "z.txt"):
        upload.put(key, b"text")
    return upload


def made(caller: Caller | UploadService, wanted: dict[str, str]) -> str:
    """Return the path of a new link; for a folder, the path leads to a file in the folder."""
    body = {"bucket": "default", **wanted}
    if isinstance(caller, Caller):
        reply = caller.ask("POST", "/v1/links", body)
    else:
        as_json = {"Content-Type": "application/json"}
        reply = caller.request("POST", "/v1/links", json.dumps(body).encode(), as_json)
    assert reply.status_code == 201, reply.text
    url: str = (reply.json or {})["url"]
    return url + "b.txt" if "prefix" in wanted else url


def shows(upload: UploadService, path: str) -> bool:
    """Return whether the gateway gets a file to send, and check that the service agrees."""
    environ = {"WHARF_STEP": "share", "QUERY_STRING": "", "REQUEST_URI": path}
    status = upload.request("GET", path, environ=environ).status_code
    assert status in {204, 403}
    assert (upload.request("GET", path).status_code == 200) == (status == 204)
    return status == 204


def link_in(path: str) -> Link:
    """Return the decoded link."""
    raw = links._bytes(path.removeprefix("/s/").partition("/")[0])
    return msgspec.msgpack.decode(raw[: -links.MAC_BYTES], type=Link)


def say(upload: UploadService, *grants: str, version: int, subject: str = "client-1") -> None:
    """Let the feed announce the current reach of a subject."""
    change = ReachChange(version, compact(*grants), "files:read")
    tell(upload, "reach", subject, change)


@pytest.mark.parametrize("wanted", [FILE, FOLDER])
def test_a_link_ends_when_its_maker_is_restricted(
    stored: UploadService, wanted: dict[str, str]
) -> None:
    """A link follows new grants of its maker, even if it was made before the maker had any grants.

    A link to a folder is checked for each file.
    """
    path = made(stored, wanted)
    assert link_in(path).maker == Maker("client-1")
    assert shows(stored, path)
    say(stored, "read:default/a/c", version=10)
    assert not shows(stored, path)
    if wanted is FOLDER:
        assert shows(stored, path.replace("b.txt", "c.txt"))
    say(stored, "read:default/a/", version=11)
    assert shows(stored, path)
    say(stored, "write,delete,list:default", version=12)
    assert not shows(stored, path)


@pytest.mark.parametrize("wanted", [FILE, FOLDER])
def test_a_link_ends_when_its_maker_is_disabled(
    stored: UploadService, wanted: dict[str, str]
) -> None:
    """A link shows nothing while its maker is disabled, deleted or without the scope to read."""
    path = made(stored, wanted)
    tell(stored, "reach", "client-1", ReachChange(10))
    assert not shows(stored, path)
    whole = compact("read,write,delete,list:*")
    tell(stored, "reach", "client-1", ReachChange(11, whole, "files:write"))
    assert not shows(stored, path)
    tell(stored, "reach", "client-1", ReachChange(12, whole, "files:read"))
    assert shows(stored, path)


@pytest.mark.parametrize("wanted", [FILE, FOLDER])
def test_a_link_by_a_group_ends_with_the_group(
    stored: UploadService, wanted: dict[str, str]
) -> None:
    """A link by a group's grant ends when the group or the membership ends.

    A change of another group does not affect the link.
    """
    grants = compact("read:default/{username}/")
    part = GroupPart("g1", 3, "", compact("read:default/a/"))
    other = GroupPart("g2", 3, "", compact("read:default/z"))
    person = Caller(
        stored, compact("read:default/mine/"), (part, other), "person-1", "a", version=3
    )
    tell(stored, "group", "g1", ReachChange(3, grants))
    path = made(person, wanted)
    assert link_in(path).maker == Maker("person-1", 3, by_own=False, groups=("g1",), username="a")
    assert shows(stored, path)
    tell(stored, "group", "g2", ReachChange(4))
    assert shows(stored, path)
    tell(stored, "group", "g1", ReachChange(4))
    assert not shows(stored, path)
    tell(stored, "group", "g1", ReachChange(5, grants))
    assert shows(stored, path)
    left = ReachChange(6, compact("read:default/mine/"), "files:read", "a", ("g2",))
    tell(stored, "reach", "person-1", left)
    assert not shows(stored, path)


def test_a_link_by_own_grants_names_no_groups(stored: UploadService) -> None:
    """A link by its maker's own grants names no groups, and a change of a group does not end it."""
    part = GroupPart("g1", 3, "", compact("read:default/a/"))
    person = Caller(stored, compact("read:default/a/"), (part,), "person-1", "a", version=3)
    path = made(person, FILE)
    assert link_in(path).maker == Maker("person-1", 3)
    tell(stored, "group", "g1", ReachChange(9))
    assert shows(stored, path)


def test_a_folder_link_needs_all_of_the_folder(stored: UploadService) -> None:
    """A link to a folder needs the right to read the whole folder."""
    part = narrowed(stored, "read:default/a/b")
    body: dict[str, Any] = {"bucket": "default", "prefix": "a/"}
    reply = part.ask("POST", "/v1/links", body)
    assert reply.json is not None
    assert reply.json["type"] == "/problems/outside-grants"
    # A prefix is a folder, so the right is checked for the prefix with its slash.
    assert (
        narrowed(stored, "read:default/a/")
        .ask("POST", "/v1/links", {"bucket": "default", "prefix": "a"})
        .status_code
        == 201
    )


def older(upload: UploadService, path: str, members: int) -> str:
    """Return the path of a link as an earlier release signed it, with fewer members."""
    key = upload.context.records.link_key("demo")
    assert key is not None
    payload = msgspec.msgpack.encode(list(msgspec.structs.astuple(link_in(path)))[:members])
    return "/s/" + urlsafe_b64encode(payload + links._mac(payload, key)).decode().rstrip("=")


def test_a_link_of_an_older_release_goes_on(stored: UploadService) -> None:
    """A link that an earlier release signed without a maker works until the key is rotated. The
    feed has no influence on it.

    A link that was signed with a maker, but without a row, works although the row of the original
    link is removed. It ends when its maker may not read.
    """
    path = made(stored, FILE)
    without_maker, without_row = older(stored, path, 7), older(stored, path, 8)
    assert link_in(without_row).maker == link_in(path).maker
    stored.context.records.end_link("demo", link_in(path).id)
    assert not shows(stored, path)
    assert shows(stored, without_row)
    say(stored, version=10)
    assert shows(stored, without_maker)
    assert not shows(stored, without_row)
    stored.context.link_maker.revoke_all("demo")
    assert not shows(stored, without_maker)


def test_the_longest_link_can_be_read(stored: UploadService) -> None:
    """A link with the longest key, name, groups and tokens is within the accepted length."""
    maker = Maker("s" * 36, 1 << 41, by_own=False, groups=("g" * 36,) * 16, username="é" * 64)
    link = Link(
        tenant="t" * 63,
        bucket="b" * 63,
        target="k" * 1024,
        is_prefix=False,
        expires_at=1 << 34,
        disposition="attachment",
        name="n" * 255,
        maker=maker,
        row=bytes(16),
        tokens=("t" * 32,) * (MAX_PARENTS + 1),
    )
    token = links.sign(link, b"k" * 32)
    assert links.verify(token, lambda _: b"k" * 32, 0) == link


def test_a_page_of_another_origin_is_told_nothing_of_an_ended_link(stored: UploadService) -> None:
    """A page of another origin gets the same response for an ended link as for no link."""
    policy = json.dumps({"cors_origins": ["https://app.test"]}).encode()
    stored.request("PUT", "/v1/buckets/default", policy, {"Content-Type": "application/json"})
    path = made(stored, FILE)
    origin = {"Origin": "https://app.test"}
    tell(stored, "reach", "client-1", ReachChange(10))
    for method, environ in (("OPTIONS", {}), ("GET", {}), ("GET", {"WHARF_STEP": "share"})):
        ended, none = (
            stored.request(method, target, b"", origin, environ) for target in (path, "/s/x")
        )
        assert ended.status_code == none.status_code
        name = "Access-Control-Allow-Origin"
        assert ended.headers.get(name) == none.headers.get(name)
