"""The events that each connection receives, before and after its grants change."""

from __future__ import annotations

import time
from functools import partial

import msgspec
import pytest

from tests.servers.live import LiveProcess
from tests.servers.live_clients import Heard, listening, streaming
from tests.servers.upload import new_file
from wharf_upload.domain.file_writes import Move, Write
from wharf_upload.domain.files import File, FileAddress
from wharf_upload.notices.messages import Progress
from wharf_upload.notices.places import socket_place
from wharf_upload.notices.sender import open_sender

SCOPES = "events:read files:read"


def token(live: LiveProcess, tenant: str, *prefixes: str) -> str:
    """Return a token that may read the keys with these prefixes."""
    own = [["default", prefix, "r"] for prefix in prefixes]
    return live.token(tid=tenant, scope=SCOPES, grants={"v": 1, "own": own, "s": SCOPES})


def store(live: LiveProcess, tenant: str, *keys: str) -> None:
    """Store files at these keys."""
    for key in keys:
        live.records.write(Write(files=(new_file(key, tenant=tenant),)))


def move(live: LiveProcess, tenant: str, source: str, target: str) -> None:
    """Move a file."""

    def place(file: File, key: str) -> File:
        return msgspec.structs.replace(file, key=key)

    ends = FileAddress("default", source), FileAddress("default", target)
    live.records.move(Move(tenant=tenant, source=ends[0], target=ends[1]), place)


def told(heard: Heard) -> list[tuple[str, str, str | None]]:
    """Return kind, key and old key of each event."""
    return [
        (event["kind"], event["file"]["key"], (event["moved_from"] or {}).get("key"))
        for event in heard.of("event")
    ]


def hears(heard: Heard, key: str) -> bool:
    """Tell whether the client has received the event of a new file."""
    return ("file.created", key, None) in told(heard)


@pytest.mark.parametrize("catches_up", [True, False])
def test_events_and_moves(live: LiveProcess, tenant: str, *, catches_up: bool) -> None:
    """Both protocols send each client exactly the events that its grants allow, old
    ones and new ones.
    """

    def happen() -> None:
        store(live, tenant, "a/1", "b/1", "c/1")
        for source, target in (("a/1", "b/2"), ("b/1", "a/3"), ("a/3", "a/4"), ("c/1", "c/2")):
            move(live, tenant, source, target)
        store(live, tenant, "a/end", "b/end")

    if catches_up:
        happen()
    with (
        listening(live.url, token(live, tenant, "a/"), 0) as first,
        listening(live.url, token(live, tenant, "a/"), 0) as same,
        streaming(live.url, token(live, tenant, "b/"), 0) as second,
        listening(live.url, live.token(tid=tenant), 0) as whole,
    ):
        for client in (first, same, whole):
            client.heard.wait("connect")
        if not catches_up:
            happen()
        first.heard.wait("event", 5)
        same.heard.wait("event", 5)
        second.wait("event", 4)
        whole.heard.wait("event", 9)
    assert (
        told(first.heard)
        == told(same.heard)
        == [
            ("file.created", "a/1", None),
            ("file.deleted", "a/1", None),
            ("file.moved", "a/3", None),
            ("file.moved", "a/4", "a/3"),
            ("file.created", "a/end", None),
        ]
    )
    assert told(second) == [
        ("file.created", "b/1", None),
        ("file.moved", "b/2", None),
        ("file.deleted", "b/1", None),
        ("file.created", "b/end", None),
    ]
    assert ("file.moved", "b/2", "a/1") in told(whole.heard)


def test_changed_in_the_middle(live: LiveProcess, tenant: str) -> None:
    """A connection follows a change of its grants in the feed, and does not end."""
    say = open_sender(socket_place(live.data / "run" / "notices.sock"))
    with (
        listening(live.url, token(live, tenant, "a/"), 0) as client,
        streaming(live.url, token(live, tenant, "a/"), 0) as stream,
    ):
        client.heard.wait("connect")
        store(live, tenant, "b/before", "a/before")
        for heard in (client.heard, stream):
            heard.wait("event")
        reach = {"version": 2, "grants": [["default", "b/", "r"]], "scopes": SCOPES}
        live.revoke(kind="reach", tenant=tenant, id="client-1", state="changed", reach=reach)
        count = 0
        for heard in (client.heard, stream):
            while not any(event["file"]["key"].startswith("b/") for event in heard.of("event")):
                count += 1
                assert count < 1000
                store(live, tenant, f"b/{count}")
                time.sleep(0.05)
        store(live, tenant, "a/after", "b/last")
        for key in ("a/x", "b/x"):
            say.progress(Progress(tenant, "client-9", key, "default", key, 1, 10, 5))
        for heard in (client.heard, stream):
            heard.until(partial(hears, heard, "b/last"))
            assert [one["key"] for one in heard.wait("progress")] == ["b/x"]
            keys = [key for _, key, _ in told(heard)]
            assert keys[0] == "a/before"
            assert all(key.startswith("b/") for key in keys[1:])
            assert heard.of("bye") == []
