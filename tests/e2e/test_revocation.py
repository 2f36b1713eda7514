"""Row 60: revoked tokens, disabled clients and suspended tenants are refused everywhere.

Row numbers are those of the tables in docs/security.md.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.servers.native import NativeWharf
from tests.servers.promised import RIGHTS_SECONDS, holds
from tests.servers.wharf.api_client import LARGE, SMALL, Answer, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.multipart_body import CONTENT_TYPE, file_part, multipart_body
from tests.servers.wharf.raw_http import RawConnection, head, until
from tests.servers.wharf.tenants import Tenants
from tests.servers.wharf.traces import nothing_stored
from tests.servers.wharf.tus_client import OCTETS, Tus

METRIC = "wharf_revocation_feed_age_seconds"
TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"
Send = Callable[[ApiClient], Answer]
# Every kind of request with a token, for each path through gateway and service.
WAYS: dict[str, Send] = {
    "small": lambda api: api.put("small", SMALL),
    "large": lambda api: api.put("large", LARGE),
    "form": lambda api: api.post(file_part("form")),
    "file": lambda api: api.file("there"),
    "delete": lambda api: api.delete("there"),
    "list": lambda api: api.get("/v1/files/default"),
    "metadata": lambda api: api.get("/v1/metadata/default/there"),
    "buckets": lambda api: api.get("/v1/buckets"),
    "usage": lambda api: api.get("/v1/usage"),
    "events": lambda api: api.get("/v1/events"),
}


def oauth(api: ApiClient, path: str, **fields: str) -> Answer:
    """Post a form to one of auth's OAuth endpoints."""
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return api.using(None).request("POST", f"/auth/oauth/{path}", urlencode(fields).encode(), kind)


class Client:
    """A client of a tenant with its secret, like the client `billing` of docs/tour.md."""

    def __init__(self, admin: ApiClient, tenant: str) -> None:
        target = f"/auth/v1/tenants/{tenant}/clients"
        scopes = ["files:read", "files:write", "files:delete", "buckets:admin", "events:read"]
        answer = admin.send_json("POST", target, {"name": "billing", "scopes": scopes})
        assert answer.status == 201, answer.body
        made = answer.json()
        self.id, self.secret = made["client_id"], made["client_secret"]
        self.api = ApiClient(admin.port, None, tenant)
        self.api = self.api.using(self.login().json()["access_token"])

    def login(self) -> Answer:
        """Request a token."""
        return self.api.using(None).login(self.id, self.secret)

    def revoke(self, token: str) -> None:
        """Revoke a token (RFC 7009)."""
        answer = oauth(
            self.api, "revoke", token=token, client_id=self.id, client_secret=self.secret
        )
        assert answer.status == 200, answer.body

    def exchanged(self, subject: str, **fields: str) -> str:
        """Exchange the client's token for another token (RFC 8693), and return the new token."""
        answer = oauth(
            self.api,
            "token",
            grant_type="urn:ietf:params:oauth:grant-type:token-exchange",
            subject_token=subject,
            subject_token_type=TOKEN_TYPE,
            **fields,
        )
        assert answer.status == 200, answer.body
        return str(answer.json()["access_token"])

    def ticket(self, subject: str = "") -> str:
        """Return a ticket that is made from the client's token or from another token."""
        rules = json.dumps({"bucket": "default", "prefix": "in/"})
        return self.exchanged(subject or str(self.api.token), ticket=rules)


def make_client(admin: ApiClient, tenant: str) -> Client:
    """Return a client of a new tenant that has a file."""
    answer = admin.send_json("POST", "/auth/v1/tenants", {"tenant": tenant})
    assert answer.status == 201, answer.body
    client = Client(admin, tenant)
    client.api.stored("there", b"there")
    return client


@pytest.fixture
def client(tenants: Tenants, request: pytest.FixtureRequest) -> Client:
    """Return a client of this test's own tenant."""
    name = request.node.name.replace("_", "-").removeprefix("test-")
    return make_client(tenants.admin, f"row60-{name}"[:60].strip("-"))


def known(api: ApiClient, slug: str) -> bool:
    """Wait until every process has read a refusal, then tell whether upload refuses requests.

    Each process reads the feed of revocations separately.
    """
    time.sleep(RIGHTS_SECONDS)
    return all(api.get("/v1/usage").slug == slug for _ in range(20))


def refused(api: ApiClient, status: int, slug: str) -> None:
    """Wait until all processes know of the refusal, then check every kind of request."""
    assert known(api, slug)
    for way, send in WAYS.items():
        answer = send(api)
        assert (answer.status, answer.slug) == (status, slug), way
        if status == 401:
            assert 'error="invalid_token"' in answer.header("WWW-Authenticate")


def test_revoked_token(wharf: Wharf, client: Client) -> None:
    """A revoked token and its tickets are refused; the client's other token is accepted."""
    other = client.api.using(client.login().json()["access_token"])
    ticket = client.ticket()
    anyone = client.api.using(None)
    assert anyone.request("PUT", f"/u/{ticket}/a", SMALL).status == 201
    client.revoke(str(client.api.token))
    with nothing_stored(wharf, client.api.tenant):
        refused(client.api, 401, "token-revoked")
        for content in (SMALL, LARGE):
            answer = anyone.request("PUT", f"/u/{ticket}/b", content)
            answer.problem(401, "token-revoked")
    assert other.file("there").body == b"there"


def test_revoked_ticket(client: Client) -> None:
    """A ticket can be revoked alone: the token from which it was made stays valid."""
    ticket = client.ticket()
    client.revoke(ticket)
    form, kind = multipart_body(file_part("a")), {"Content-Type": CONTENT_TYPE}
    anyone = client.api.using(None)
    assert holds(lambda: anyone.request("POST", f"/u/{ticket}", form, kind).slug == "token-revoked")
    assert client.api.file("there").status == 200


def test_revoked_in_the_middle_of_a_chain(wharf: Wharf, client: Client) -> None:
    """The revocation of an exchanged token ends all tokens made from it, but not its parent."""
    middle = client.exchanged(str(client.api.token))
    ticket = client.ticket(client.exchanged(middle, scope="files:write", expires_in="600"))
    anyone = client.api.using(None)
    assert anyone.request("PUT", f"/u/{ticket}/a", SMALL).status == 201
    client.revoke(middle)
    assert known(client.api.using(middle), "token-revoked")
    with nothing_stored(wharf, client.api.tenant):
        for content in (SMALL, LARGE):
            anyone.request("PUT", f"/u/{ticket}/b", content).problem(401, "token-revoked")
    assert client.api.file("there").status == 200


def test_links_end_with_tokens_and_makers(tenants: Tenants, client: Client) -> None:
    """A link ends when its token is revoked, its maker is disabled, or a client deletes the link.

    Other links stay valid.
    """
    anyone = client.api.using(None)
    again = client.api.using(client.login().json()["access_token"])
    narrowed = client.api.using(client.exchanged(str(client.api.token), scope="files:read"))

    def made(api: ApiClient) -> tuple[str, str]:
        answer = api.send_json("POST", "/v1/links", {"bucket": "default", "key": "there"})
        assert answer.status == 201, answer.body
        return answer.json()["id"], answer.json()["url"]

    def ended(link: tuple[str, str]) -> bool:
        return holds(lambda: anyone.get(link[1]).status == 404)

    of_narrowed, own, last, alone = map(made, (narrowed, client.api, again, again))
    assert all(anyone.get(link[1]).status == 200 for link in (of_narrowed, own, last, alone))
    client.revoke(str(narrowed.token))
    assert ended(of_narrowed)
    assert again.request("DELETE", f"/v1/links/{alone[0]}").status == 204
    assert ended(alone)
    assert anyone.get(own[1]).status == 200
    client.revoke(str(client.api.token))
    assert ended(own)
    assert anyone.get(last[1]).status == 200
    answer = tenants.admin.request(
        "DELETE", f"/auth/v1/tenants/{client.api.tenant}/clients/{client.id}"
    )
    assert answer.status == 204
    assert ended(last)


def test_disabled_client(wharf: Wharf, tenants: Tenants, client: Client) -> None:
    """A disabled client's tokens are refused everywhere, and the client gets no new tokens."""
    target = f"/auth/v1/tenants/{client.api.tenant}/clients/{client.id}"
    assert tenants.admin.request("DELETE", target).status == 204
    with nothing_stored(wharf, client.api.tenant):
        refused(client.api, 401, "token-revoked")
    assert client.login().status in {400, 401}


def test_suspended_tenant(wharf: Wharf, tenants: Tenants, client: Client) -> None:
    """A suspended tenant's tokens and tickets are refused until the tenant is resumed."""
    ticket, target = client.ticket(), f"/auth/v1/tenants/{client.api.tenant}"
    assert tenants.admin.request("POST", f"{target}/suspend").status == 204
    with nothing_stored(wharf, client.api.tenant):
        refused(client.api, 403, "tenant-suspended")
        answer = client.api.using(None).request("PUT", f"/u/{ticket}/a", LARGE)
        answer.problem(403, "tenant-suspended")
    assert tenants.admin.request("POST", f"{target}/resume").status == 204
    assert holds(lambda: client.api.file("there").status == 200)
    assert holds(
        lambda: client.api.using(None).request("PUT", f"/u/{ticket}/a", LARGE).status == 201
    )


def test_suspended_while_a_stream_came(tenants: Tenants, client: Client) -> None:
    """A suspension of the tenant stops a resumable upload, which continues after a resume."""
    tus, target = Tus(client.api), f"/auth/v1/tenants/{client.api.tenant}"
    address = tus.created(len(LARGE), filename="streamed")
    request = head(
        f"PATCH {address} HTTP/1.1",
        f"Authorization: Bearer {client.api.token}",
        "Tus-Resumable: 1.0.0",
        "Upload-Offset: 0",
        f"Content-Type: {OCTETS}",
        f"Content-Length: {len(LARGE)}",
        "Connection: close",
    )
    with RawConnection(client.api.port) as connection:
        connection.send(request + LARGE[:1000])
        assert tenants.admin.request("POST", f"{target}/suspend").status == 204
        assert known(client.api, "tenant-suspended")
        connection.send(LARGE[1000:])
        (answer,) = connection.answers()
    assert (answer.status, answer.slug) == (403, "tenant-suspended")
    assert tenants.admin.request("POST", f"{target}/resume").status == 204
    assert holds(lambda: client.api.file("there").status == 200)
    # Some processes may know of the resume earlier than others.
    assert holds(lambda: client.api.file("streamed").slug == "not-found")

    def goes_on() -> bool:
        """Send the rest, and tell whether it is stored; some process may not know of the resume."""
        looked = tus.head(address)
        if looked.status != 200:
            return False
        offset = int(looked.header("Upload-Offset"))
        return offset == len(LARGE) or tus.patch(address, offset, LARGE[offset:]).status == 204

    assert holds(goes_on)
    assert until(lambda: client.api.file("streamed").body == LARGE)


def test_a_ticket_does_not_replace_by_another_ones_upload(client: Client) -> None:
    """Row 77: a ticket cannot replace a file by finishing an upload that a full token began."""
    client.api.stored("in/there", SMALL)
    begun = Tus(client.api)
    address = begun.created(4, key="in/there", on_conflict="replace")
    ended = Tus(client.api.using(client.ticket()))
    ended.patch(address, 0, b"new!").problem(409, "key-taken")
    assert client.api.file("in/there").body == SMALL


def test_ready(wharf: Wharf) -> None:
    """A service that follows the feed of revocations is ready, and reports a small feed age."""
    api = ApiClient(wharf.port)
    assert until(lambda: api.get("/readyz").json() == {"status": "ready"})
    address = f"http://127.0.0.1:{wharf.metrics_port}/metrics/upload"
    with urllib.request.urlopen(address) as reply:
        text = reply.read().decode()
    (line,) = (one for one in text.splitlines() if one.startswith(f"{METRIC} "))
    assert float(line.rpartition(" ")[2]) < 60


@pytest.fixture
def native(tmp_path: Path) -> Iterator[NativeWharf]:
    """Yield a native Wharf that the test can kill and start again."""
    native = NativeWharf(tmp_path, WHARF_DURABILITY="relaxed")
    native.start()
    yield native
    native.kill()


def admin_of(native: NativeWharf) -> ApiClient:
    """Return the administrator of a Wharf that has just started."""
    found = json.loads((native.data / "credentials.json").read_text())["admin"]
    api = ApiClient(native.port)
    answer = api.login(found["client_id"], found["client_secret"])
    assert answer.status == 200, answer.body
    return api.using(answer.json()["access_token"])


def test_after_a_restart(native: NativeWharf) -> None:
    """After `kill -9` of every process, revoked tokens and suspended tenants are still refused."""
    admin = admin_of(native)
    revoked, suspended = make_client(admin, "revoked"), make_client(admin, "suspended")
    revoked.revoke(str(revoked.api.token))
    assert admin.request("POST", "/auth/v1/tenants/suspended/suspend").status == 204
    refused(revoked.api, 401, "token-revoked")
    refused(suspended.api, 403, "tenant-suspended")
    issuer = f"http://127.0.0.1:{native.port}/auth"
    native.kill()
    # Tokens name the issuer, and the restarted Wharf gets another port.
    native._settings["WHARF_ISSUER"] = issuer
    native.start()
    for client, slug in ((revoked, "token-revoked"), (suspended, "tenant-suspended")):
        api = ApiClient(native.port, client.api.token, client.api.tenant)
        for way, send in WAYS.items():
            assert send(api).slug == slug, way
