"""Which clients may connect, which events they receive, and when their connections end."""

from __future__ import annotations

import time

import pytest
from websockets.exceptions import InvalidStatus

from servicekit.testing import Issuer
from tests.servers.live import LiveProcess
from tests.servers.live_clients import listening, raw, streaming
from tests.servers.promised import RIGHTS_SECONDS
from wharf_upload.domain.buckets import Bucket, Policy
from wharf_upload.notices.messages import Progress
from wharf_upload.notices.places import socket_place
from wharf_upload.notices.sender import open_sender

TICKET = {"bucket": "default", "key": "a.txt"}


def bucket(tenant: str, name: str, *origins: str) -> Bucket:
    """Return a bucket that pages of these origins may use."""
    return Bucket(tenant=tenant, name=name, policy=Policy(cors_origins=origins), created_at=1)


@pytest.mark.parametrize(
    ("claims", "slug"),
    [
        ({"exp": 1, "iat": 1}, "token-expired"),
        ({"aud": "console"}, "token-malformed"),
        ({"iss": "https://elsewhere.test"}, "token-malformed"),
        ({"scope": "buckets:admin"}, "insufficient-scope"),
        ({"ticket": TICKET, "scope": "files:write"}, "insufficient-scope"),
    ],
)
def test_tokens_that_let_nobody_in(
    live: LiveProcess, tenant: str, claims: dict[str, object], slug: str
) -> None:
    """Both protocols refuse a token that has expired, is for another audience, is from another
    issuer, is a ticket, or has no scope to listen.
    """
    token = live.token(tid=tenant, **claims)
    with listening(live.url, token) as client:
        assert client.heard.wait("connect_error")[0]["type"] == f"/problems/{slug}"
    with streaming(live.url, token) as heard:
        assert heard.of("status")[0] in {401, 403}


def test_a_stranger_signs_in_vain(live: LiveProcess, tenant: str) -> None:
    """The live channel refuses a token that another issuer has signed."""
    with listening(live.url, Issuer().token(tid=tenant)) as client:
        assert client.heard.wait("connect_error")[0]["status"] == 401


def test_a_token_for_the_channel_alone(live: LiveProcess, tenant: str) -> None:
    """The live channel accepts the tokens of pages, with the audience `live`."""
    with listening(live.url, live.token(tid=tenant, aud="live")) as client:
        client.heard.wait("connect")
        client.heard.until(lambda: live.store(1, tenant=tenant))
        client.heard.wait("event")


def test_other_tenants_hear_nothing(live: LiveProcess, tenant: str) -> None:
    """Events go only to connections of their tenant, at any position that a connection requests."""
    with (
        listening(live.url, live.token(tid=tenant), 0) as ours,
        listening(live.url, live.token(tid=f"{tenant}-b"), 0) as theirs,
        streaming(live.url, live.token(tid=f"{tenant}-b"), 0) as stream,
    ):
        for client in (ours, theirs):
            client.heard.wait("connect")
        numbers = live.store(3, tenant=tenant)
        marks = live.store(1, tenant=f"{tenant}-b")
        assert ours.heard.wait("event", 3)
        theirs.heard.wait("event")
        stream.wait("event")
    assert ours.heard.ids == numbers
    assert theirs.heard.ids == stream.ids == marks


def test_scopes_and_buckets(live: LiveProcess, tenant: str) -> None:
    """A client that may only write receives only events of its own files.

    A client that subscribes to a bucket receives only events of this bucket, until it unsubscribes.
    """
    own = live.token(tid=tenant, sub="client-2", scope="files:write")
    with (
        listening(live.url, own, 0) as writer,
        listening(live.url, live.token(tid=tenant), 0) as reader,
    ):
        reader.heard.wait("connect")
        reader.emit("msg", {"op": "subscribe", "bucket": "photos"})
        assert reader.heard.wait("result") == [{"ok": True, "op": "subscribe"}]
        live.records.put_bucket(bucket(tenant, "photos"))
        live.store(1, tenant=tenant)
        mine = live.store(1, tenant=tenant, owner="client-2")
        photos = live.store(1, tenant=tenant, bucket="photos")
        writer.heard.wait("event")
        reader.heard.wait("event")
        reader.emit("msg", {"op": "unsubscribe", "bucket": "photos"})
        reader.heard.wait("result", 2)
        last = live.store(1, tenant=tenant)
        reader.heard.wait("event", 2)
    assert writer.heard.ids == mine
    assert reader.heard.ids == [*photos, *last]


def test_progress_goes_to_those_who_may_see_it(live: LiveProcess, tenant: str) -> None:
    """Readers receive the progress of each upload of their tenant, and writers
    that of their own.
    """
    say = open_sender(socket_place(live.data / "run" / "notices.sock"))
    theirs = Progress(tenant, "client-1", "u1", "default", "a", 1, 10, 5)
    own = Progress(tenant, "client-2", "u2", "default", "b", 2, None, 5)
    strange = Progress(f"{tenant}-b", "client-1", "u3", "default", "文件.bin", 3, 4, 5)
    writer_token = live.token(tid=tenant, sub="client-2", scope="files:write")
    with (
        listening(live.url, live.token(tid=tenant)) as reader,
        listening(live.url, writer_token) as writer,
        streaming(live.url, live.token(tid=tenant)) as stream,
        listening(live.url, live.token(tid=f"{tenant}-b")) as stranger,
    ):
        for client in (reader, writer, stranger):
            client.heard.wait("connect")
        for progress in (theirs, own, strange):
            say.progress(progress)
        seen = reader.heard.wait("progress", 2)
        stream.wait("progress", 2)
        assert writer.heard.wait("progress") == [
            {"upload": "u2", "bucket": "default", "key": "b", "offset": 2, "length": None}
            | {"rate": 5}
        ]
        (told,) = stranger.heard.wait("progress")
        assert (told["upload"], told["key"]) == ("u3", "文件.bin")
    assert {one["upload"] for one in seen} == {"u1", "u2"}


@pytest.mark.parametrize("what", ["token", "parent", "subject", "tenant"])
def test_revoked_in_the_middle(live: LiveProcess, tenant: str, what: str) -> None:
    """A connection whose token is revoked, or whose tenant is suspended, gets the reason within
    five seconds and no later event.
    """
    jti, parent = f"jti-{tenant}", f"parent-{tenant}"
    token = live.token(tid=tenant, jti=jti, parents=["first", parent])
    entry = {
        "token": {"id": jti},
        "parent": {"id": parent},
        "subject": {"tenant": tenant, "id": "client-1"},
        "tenant": {"tenant": tenant, "state": "suspended"},
    }[what]
    slug = "tenant-suspended" if what == "tenant" else "token-revoked"
    with listening(live.url, token) as client, streaming(live.url, token) as stream:
        client.heard.wait("connect")
        begun = time.monotonic()
        live.revoke(kind="token" if what == "parent" else what, **entry)
        for heard in (client.heard, stream):
            assert heard.wait("bye")[0]["problem"]["type"] == f"/problems/{slug}"
            heard.wait("disconnect")
        # The live channel reads the feed once a second.
        assert time.monotonic() - begun < RIGHTS_SECONDS - 1
        live.store(1, tenant=tenant)
    assert client.heard.ids == stream.ids == []


def test_at_the_tokens_end(live: LiveProcess, tenant: str) -> None:
    """The end of a token ends its connection, unless the client renews the token in time."""
    token = live.token(tid=tenant)
    with listening(live.url, token) as ends, listening(live.url, token) as stays:
        # The handshake has a longer token: on a busy machine the short one might expire early.
        short = live.token(tid=tenant, exp=int(time.time()) + 4)
        for client, renewed in ((ends, short), (stays, short), (stays, token)):
            client.emit("msg", {"op": "token", "token": renewed})
        assert stays.heard.wait("result", 2) == [{"ok": True, "op": "token"}] * 2
        bye = ends.heard.wait("bye")[0]
        assert bye["problem"]["type"] == "/problems/token-expired"
        live.store(1, tenant=tenant)
        stays.heard.wait("event")
    assert stays.heard.of("bye") == []


def test_a_token_of_another_tenant_in_the_middle(live: LiveProcess, tenant: str) -> None:
    """A token of another tenant or subject ends the connection that receives it."""
    for claims in ({"tid": f"{tenant}-b"}, {"tid": tenant, "sub": "client-2"}):
        with listening(live.url, live.token(tid=tenant)) as client:
            client.heard.wait("connect")
            client.emit("msg", {"op": "token", "token": live.token(**claims)})
            assert client.heard.wait("result")[0]["ok"] is False
            assert client.heard.wait("bye")[0]["problem"]["type"] == "/problems/forbidden"
            client.heard.wait("disconnect")


def test_a_bad_token_in_the_middle(live: LiveProcess, tenant: str) -> None:
    """An invalid token on an open connection is refused, and the earlier token stays valid."""
    with listening(live.url, live.token(tid=tenant)) as client:
        client.heard.wait("connect")
        client.emit("msg", {"op": "token", "token": "nothing"})
        assert client.heard.wait("result")[0]["problem"]["status"] == 401
        live.store(1, tenant=tenant)
        client.heard.wait("event")


def test_origins(live: LiveProcess, tenant: str) -> None:
    """Only pages of Wharf's own origins, and of origins that a bucket of the
    tenant lists, can connect.
    """
    listed = "https://app.example"
    live.records.put_bucket(bucket(tenant, "open", listed))

    def is_let_in(origin: str, tenant: str) -> bool:
        try:
            with raw(live.url, live.token(tid=tenant), origin):
                return True
        except (PermissionError, InvalidStatus):
            return False

    assert is_let_in(live.url, tenant)
    assert is_let_in("http://wharf.test", tenant)
    assert is_let_in(listed, tenant)
    assert not is_let_in(listed, f"{tenant}-b")
    assert not is_let_in("https://evil.example", tenant)
    assert not is_let_in("null", tenant)
