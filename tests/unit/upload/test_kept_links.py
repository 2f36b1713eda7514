"""Tests of signed links that are listed and ended one by one, or with the tokens of their maker."""

from __future__ import annotations

import json
import math
import time
from typing import Any, NamedTuple

import msgspec
import pytest
from werkzeug.test import TestResponse

from servicekit.database import DatabaseUnavailable
from servicekit.reaches import ReachChange
from servicekit.revocations import Feed, Revocation, Revocations
from tests.servers.granted import compact
from tests.servers.narrowed import seen, slug, tell
from tests.servers.upload import UploadService
from tests.unit.upload.test_ends_of_links import link_in, shows
from wharf_upload.catalog import links as catalog
from wharf_upload.maintenance.revoked_links import RevokedLinks

KEY = "a/b.txt"
JSON = {"Content-Type": "application/json"}
READS = "files:read"


class Made(NamedTuple):
    """A link that was made."""

    id: str | None
    path: str
    seconds: float


@pytest.fixture
def stored(upload: UploadService) -> UploadService:
    """Return a service with one file."""
    upload.put(KEY, b"text")
    return upload


def ask(
    upload: UploadService, method: str, path: str, body: object = None, **claims: Any
) -> TestResponse:
    """Send a request of a client that may only read, unless `claims` change that."""
    token = upload.issuer.token(**{"scope": READS, **claims})
    sent = b"" if body is None else json.dumps(body).encode()
    return upload.request(method, path, sent, {"Authorization": f"Bearer {token}", **JSON})


def post(upload: UploadService, wanted: dict[str, Any] | None = None, **claims: Any) -> Made:
    body = {"bucket": "default", "key": KEY, **(wanted or {})}
    reply = ask(upload, "POST", "/v1/links", body, **claims)
    assert reply.status_code == 201, reply.text
    link = link_in(json.loads(reply.data)["url"])
    return Made(
        json.loads(reply.data)["id"], json.loads(reply.data)["url"], link.expires_at - time.time()
    )


def ids(upload: UploadService, query: str = "", **claims: Any) -> set[str | None]:
    reply = ask(upload, "GET", f"/v1/links{query}", **claims)
    assert reply.status_code == 200, reply.text
    return {link["id"] for link in json.loads(reply.data)["links"]}


def revoke(upload: UploadService, token: str, seq: int = 1) -> None:
    """Announce a revoked token in the feed, and let the next check read the feed."""
    entry = Revocation(seq=seq, kind="token", tenant=upload.tenant, id=token)
    file = upload.settings.revocation_file
    file.parent.mkdir(exist_ok=True)
    with file.open("ab") as stream:
        stream.write(msgspec.json.encode(Feed(entries=(entry,), latest=seq)) + b"\n")
    upload.context.access.revocations._polled_at = -math.inf


def test_a_link_is_ended_alone(stored: UploadService) -> None:
    """An ended link shows nothing and is in no list, and other links still work."""
    one, other = post(stored), post(stored)
    assert shows(stored, one.path)
    assert ids(stored) == {one.id, other.id}
    assert ask(stored, "DELETE", f"/v1/links/{one.id}").status_code == 204
    assert not shows(stored, one.path)
    assert shows(stored, other.path)
    assert ids(stored) == {other.id}
    for method in ("GET", "DELETE"):
        assert ask(stored, method, f"/v1/links/{one.id}").status_code == 404


def test_what_is_listed(stored: UploadService) -> None:
    """The list has pages; it states what each link shows, but not the link's address."""
    file = post(stored, {"filename": "x.txt", "disposition": "attachment"})
    folder = post(stored, {"key": None, "prefix": "a"}, sub="client-2")
    found = json.loads(ask(stored, "GET", f"/v1/links/{file.id}").data)
    assert found == {
        "id": file.id,
        "bucket": "default",
        "key": KEY,
        "prefix": None,
        "disposition": "attachment",
        "filename": "x.txt",
        "maker": "client-1",
        "state": "active",
        "created_at": found["created_at"],
        "expires_at": found["expires_at"],
    }
    everybody = {"scope": f"{READS} buckets:admin", "sub": "client-3"}
    first = json.loads(ask(stored, "GET", "/v1/links?limit=1", **everybody).data)
    second = json.loads(
        ask(stored, "GET", f"/v1/links?limit=1&cursor={first['next_cursor']}", **everybody).data
    )
    assert {page["links"][0]["id"] for page in (first, second)} == {file.id, folder.id}
    assert second["next_cursor"] is None
    assert ids(stored, f"?bucket=default&key={KEY}", **everybody) == {file.id, folder.id}
    assert ids(stored, "?maker=client-2", **everybody) == {folder.id}


def test_a_page_is_bounded(stored: UploadService, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of links has a limit in bytes, and its cursor leads to the next links."""
    made = {post(stored).id for _ in range(3)}
    monkeypatch.setattr(catalog, "PAGE_BYTES", 500)
    found: set[str | None] = set()
    cursor, pages = "", 0
    while pages == 0 or cursor:
        page = json.loads(ask(stored, "GET", f"/v1/links?cursor={cursor}").data)
        found |= {link["id"] for link in page["links"]}
        cursor, pages = page["next_cursor"] or "", pages + 1
    assert (found, pages) == (made, 2)


def test_others_links(stored: UploadService) -> None:
    """Without the administrator's scope a client neither sees nor ends another client's links."""
    made = post(stored)
    stranger = {"sub": "client-2", "scope": f"{READS} files:write files:delete events:read"}
    assert ids(stored, **stranger) == set()
    for method in ("GET", "DELETE"):
        hidden = ask(stored, method, f"/v1/links/{made.id}", **stranger)
        absent = ask(stored, method, f"/v1/links/{'0' * 32}", **stranger)
        assert (hidden.status_code, slug(hidden)) == (404, "not-found")
        assert seen(hidden)[2] == seen(absent)[2]
    refused = ask(stored, "GET", "/v1/links?maker=client-1", **stranger)
    assert slug(refused) == "insufficient-scope"
    assert ask(stored, "DELETE", f"/v1/links/{made.id}", scope="files:write").status_code == 403
    assert shows(stored, made.path)
    admin = {"sub": "client-2", "scope": f"{READS} buckets:admin"}
    assert ask(stored, "DELETE", f"/v1/links/{made.id}", **admin).status_code == 204
    assert not shows(stored, made.path)


@pytest.mark.parametrize("name", ["x", "%00", "0" * 31, "0" * 33, "A" * 32, "rotate"])
def test_what_is_no_id(stored: UploadService, name: str) -> None:
    """An id of the wrong form gets 404."""
    assert ask(stored, "GET", f"/v1/links/{name}").status_code == 404


def test_a_filter_that_means_nothing(stored: UploadService) -> None:
    """A filter by a key without a bucket, or by a bad name of a bucket, is refused."""
    assert slug(ask(stored, "GET", f"/v1/links?key={KEY}")) == "malformed-request"
    assert slug(ask(stored, "GET", "/v1/links?bucket=NO")) == "invalid-key"


@pytest.mark.parametrize("revoked", ["own", "first", "second"])
@pytest.mark.parametrize("listed", [True, False])
def test_a_link_ends_with_each_token_of_its_chain(
    stored: UploadService, revoked: str, *, listed: bool
) -> None:
    """A link ends when the token that made it, or a parent of that token, is revoked.

    The revocation of another token does not end the link.
    """
    wanted = {"listed": listed, "expires_in": 60}
    made = post(stored, wanted, jti="own", parents=["first", "second"])
    other = post(stored, wanted, jti="other", parents=["first-of-all"])
    revoke(stored, "stranger")
    assert shows(stored, made.path)
    revoke(stored, revoked, 2)
    assert not shows(stored, made.path)
    assert shows(stored, other.path)
    assert ids(stored) == ({other.id} if listed else set())
    if listed:
        assert ask(stored, "GET", f"/v1/links/{made.id}").status_code == 404


def test_a_link_stays_ended_when_the_feed_forgets(stored: UploadService) -> None:
    """A link whose token was revoked stays ended after the feed has dropped the revocation.

    The worker removes the link's row, and checks a tenant again only after a new revocation.
    """
    ended, kept = post(stored, jti="one"), post(stored, jti="two")
    revocations = Revocations(stored.settings.revocation_file)
    worker = RevokedLinks(stored.records, revocations)
    assert worker.end() == 0
    revoke(stored, "one", 7)
    revocations._polled_at = -math.inf
    assert worker.end() == 1
    assert worker.end() == 0
    assert worker._seen == {"demo": 7}
    stored.settings.revocation_file.write_bytes(b"")
    for one in (revocations, stored.context.access.revocations):
        one._polled_at = -math.inf
    assert not shows(stored, ended.path)
    assert shows(stored, kept.path)


def test_links_are_removed_however_late_somebody_looks(stored: UploadService) -> None:
    """A link that is three days old is ended, if the feed still has the revocation of its token."""
    post(stored, jti="one")
    revoke(stored, "one")
    revocations = Revocations(stored.settings.revocation_file)
    late = RevokedLinks(stored.records, revocations, lambda: time.time() + 3 * 24 * 3600)
    assert late.end() == 1


def test_a_link_of_an_exchanged_token_ends_with_it(stored: UploadService) -> None:
    """A link that an exchanged token made ends with the token at the latest.

    A request for a longer link is refused with the remaining time. A link that an original token
    made may last longer than the token.
    """
    now = int(time.time())
    short: dict[str, Any] = {"exp": now + 100, "parents": ["first"]}
    assert post(stored, **short).seconds <= 100
    assert post(stored, {"expires_in": 50}, **short).seconds <= 50
    body = {"bucket": "default", "key": KEY, "expires_in": 3600}
    refused = ask(stored, "POST", "/v1/links", body, **short)
    assert slug(refused) == "unprocessable"
    assert 90 <= json.loads(refused.data)["limit_seconds"] <= 100
    over = ask(stored, "POST", "/v1/links", {**body, "expires_in": 1}, **{**short, "exp": now - 9})
    assert json.loads(over.data)["limit_seconds"] == 0
    assert post(stored, {"expires_in": 86_400}, exp=now + 100).seconds > 86_000


def test_a_link_that_is_not_listed(stored: UploadService) -> None:
    """An unlisted link has no id, counts in no limit, is short, and ends with a rotation."""
    stored = stored.restarted(tenant_max_links=1)
    wanted = {"listed": False, "expires_in": 300}
    first, second = post(stored, wanted), post(stored, wanted)
    assert (first.id, second.id) == (None, None)
    assert ids(stored) == set()
    body = {"bucket": "default", "key": KEY, **wanted, "expires_in": 301}
    refused = ask(stored, "POST", "/v1/links", body)
    assert slug(refused) == "unprocessable"
    assert json.loads(refused.data)["limit_seconds"] == 300
    assert shows(stored, first.path)
    stored.context.link_maker.revoke_all("demo")
    assert not shows(stored, first.path)


def test_a_link_too_many(stored: UploadService) -> None:
    """A link above the limit is refused with the limit and advice, until another link is ended."""
    stored = stored.restarted(tenant_max_links=1)
    made = post(stored)
    reply = ask(stored, "POST", "/v1/links", {"bucket": "default", "key": KEY})
    assert (reply.status_code, slug(reply)) == (409, "tenant-limit-reached")
    told = json.loads(reply.data)
    assert (told["limit"], told["limit_count"]) == ("links", 1)
    assert "/v1/links/rotate" in told["detail"]
    ask(stored, "DELETE", f"/v1/links/{made.id}")
    assert post(stored.restarted(tenant_max_links=1)).id


def test_rotation_leaves_no_row(stored: UploadService) -> None:
    """A rotation removes all links from the list, and later links are listed again."""
    for _ in range(3):
        post(stored)
    assert ask(stored, "POST", "/v1/links/rotate", scope="buckets:admin").status_code == 204
    assert ids(stored) == set()
    made = post(stored)
    assert ids(stored) == {made.id}
    assert shows(stored, made.path)


def test_another_process_serves_links_after_a_rotation(stored: UploadService) -> None:
    """A new link after a rotation works immediately at a process that knows the old key."""
    other = stored.restarted()
    assert shows(other, post(stored).path)
    assert ask(stored, "POST", "/v1/links/rotate", scope="buckets:admin").status_code == 204
    assert shows(other, post(stored).path)


def test_a_link_whose_maker_may_not_read(stored: UploadService) -> None:
    """The list shows a link as suspended while its maker may not read, and then as active again."""
    made = post(stored)
    everybody = {"scope": f"{READS} buckets:admin", "sub": "client-3"}

    def state() -> object:
        reply = ask(stored, "GET", f"/v1/links/{made.id}", **everybody)
        return json.loads(reply.data)["state"]

    tell(stored, "reach", "client-1", ReachChange(10))
    assert state() == "suspended"
    assert not shows(stored, made.path)
    tell(stored, "reach", "client-1", ReachChange(11, compact("read:default"), READS))
    assert state() == "active"
    assert shows(stored, made.path)


def test_a_link_goes_on_while_the_database_is_away(
    stored: UploadService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the database is unavailable, the gateway's question about a link gets 503."""
    made = post(stored)
    assert shows(stored, made.path)

    def away(*_: object) -> None:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(stored.records, "tokens_of_link", away)
    environ = {"WHARF_STEP": "share", "QUERY_STRING": "", "REQUEST_URI": made.path}
    assert stored.request("GET", made.path, environ=environ).status_code == 503


def test_what_has_expired_is_forgotten(stored: UploadService) -> None:
    """The worker removes the row of an expired link, and no other."""
    kept = post(stored)
    over = post(stored)
    with stored.database.transaction() as connection:
        connection.execute("UPDATE links SET expires_at = 1 WHERE id = ?", (over.id,))
    assert ids(stored) == {kept.id}
    assert stored.sweep().expired_links == 1
    assert stored.database.reading().rows("SELECT id FROM links") == [(kept.id,)]
