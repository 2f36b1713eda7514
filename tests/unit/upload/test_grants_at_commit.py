"""Tests of grants that change while an upload's bytes are hashed and stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from servicekit.grants import CompactGrant
from tests.servers.grants_played import (
    ALL_SCOPES,
    OCTETS,
    TUS,
    Caller,
    Feed,
    Told,
    grant,
    metadata_of,
    of_everything,
)
from tests.servers.grants_table import BUCKET, FOLDER, FORM_TYPE, filled_world
from tests.servers.upload import UploadService, form_body
from wharf_upload.uploads import new_file

KEY = f"{FOLDER}new"
_SLICE = {
    "dzuuid": "11111111-1111-4111-8111-111111111111",
    "dztotalchunkcount": "2",
    "dzchunksize": "3",
    "dztotalfilesize": "6",
}


def _form(caller: Caller, **fields: str) -> Told:
    body = form_body([("new", b"new")], {**fields, "prefix": FOLDER})
    return caller.ask("POST", f"/v1/files/{BUCKET}", body, {"Content-Type": FORM_TYPE})


def _slice(caller: Caller, number: int) -> Told:
    place = {"dzchunkindex": str(number), "dzchunkbyteoffset": str(3 * number)}
    return _form(caller, **_SLICE, **place)


def _slices(caller: Caller) -> Told:
    assert _slice(caller, 0).status == 202
    return _slice(caller, 1)


def _tus(caller: Caller, **more: str) -> Told:
    fields = {**TUS, "Upload-Length": "3", "Content-Type": OCTETS, **more}
    fields |= metadata_of(bucket=BUCKET, key=KEY)
    return caller.ask("POST", "/v1/uploads", b"new", fields)


def _joined(caller: Caller) -> Told:
    part = _tus(caller, **{"Upload-Concat": "partial"}).headers["Location"]
    fields = {**TUS, "Upload-Concat": f"final;{part}", **metadata_of(bucket=BUCKET, key=KEY)}
    return caller.ask("POST", "/v1/uploads", None, fields)


WAYS: dict[str, Callable[[Caller], Told]] = {
    "PUT": lambda caller: caller.ask("PUT", f"/v1/files/{BUCKET}/{KEY}", b"new", spooled=True),
    "form": _form,
    "slices": _slices,
    "tus": _tus,
    "parts": _joined,
}


@pytest.fixture
def world(upload: UploadService) -> UploadService:
    return filled_world(upload)


def _meanwhile(patch: pytest.MonkeyPatch, change: Callable[[], None]) -> None:
    """Apply the change while the service inspects the bytes."""
    look = new_file.look_at

    def looked(*args: Any) -> new_file.Look:
        change()
        return look(*args)

    patch.setattr(new_file, "look_at", looked)


def _is_there(world: UploadService) -> bool:
    return of_everything(world).ask("HEAD", f"/v1/files/{BUCKET}/{KEY}").status == 200


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("own", "scopes"),
    [
        ((grant(BUCKET, "theirs/"),), ALL_SCOPES),
        ((grant(BUCKET, FOLDER, "rdl"),), ALL_SCOPES),
        ((grant(BUCKET, FOLDER),), "files:read"),
    ],
)
def test_what_is_taken_away_while_bytes_are_stored(
    world: UploadService,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    own: tuple[CompactGrant, ...],
    scopes: str,
) -> None:
    """An upload whose right ends before its bytes are stored leaves neither a file nor bytes."""
    caller = of_everything(world, "narrowed")
    stored = len(world.blobs())
    _meanwhile(monkeypatch, lambda: Feed(world).own("narrowed", own, scopes))
    refused = WAYS[way](caller)
    assert refused.status in {403, 404}, refused.body
    assert not _is_there(world)
    assert len(world.blobs()) == stored


def test_an_upload_waits_for_the_right(
    world: UploadService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resumable upload whose right ends at the commit becomes a file after the right returns."""
    caller, feed = of_everything(world, "narrowed"), Feed(world)
    fields = {**TUS, "Upload-Length": "3", **metadata_of(bucket=BUCKET, key=KEY)}
    address = caller.ask("POST", "/v1/uploads", None, fields).headers["Location"]
    with monkeypatch.context() as patch:
        _meanwhile(patch, lambda: feed.own("narrowed", ()))
        sent = {**TUS, "Upload-Offset": "0", "Content-Type": OCTETS}
        assert caller.ask("PATCH", address, b"new", sent).status == 404
    assert caller.ask("HEAD", address, None, TUS).status == 404
    feed.own("narrowed", (grant(BUCKET, FOLDER),))
    assert caller.ask("HEAD", address, None, TUS).headers["Upload-Offset"] == "3"
    assert _is_there(world)


def test_slices_wait_for_the_right(world: UploadService, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last slice makes the file when it is sent again after the right has returned."""
    caller, feed = of_everything(world, "narrowed"), Feed(world)
    assert _slice(caller, 0).status == 202
    with monkeypatch.context() as patch:
        _meanwhile(patch, lambda: feed.own("narrowed", ()))
        assert _slice(caller, 1).status == 404
    feed.own("narrowed", (grant(BUCKET, FOLDER),))
    assert _slice(caller, 1).status == 201
    assert _is_there(world)
