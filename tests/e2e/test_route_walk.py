"""Row 67: requests to every route of both documents, with every method, for another tenant's data.

The tables (`route_tables.py`) name every operation and every parameter. If an operation or a
parameter is new, `test_everything_is_in_the_tables` fails: add it to the table that fits.

Row numbers are those of the tables in docs/security.md.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.route_tables import BODIES, ELSEWHERE, HARMLESS, NAMES, PASSWORD, WALKED
from tests.servers.wharf.api_client import LARGE, SMALL, Answer, ApiClient
from tests.servers.wharf.documented import operations
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.live_client import Listener, Stream, listening
from tests.servers.wharf.multipart_body import CONTENT_TYPE, file_part, multipart_body
from tests.servers.wharf.tenants import ALL_SCOPES, Signer, Tenants
from tests.servers.wharf.traces import nothing_stored
from wharf_upload.http.event_cursors import cursor_of

VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
BUCKET, KEY = "secret-bucket", "secret/key.txt"
NO_BUCKET, NO_KEY = "absent-bucket", "absent/key.txt"
SECRET = b"what only its owner may see"
SCOPES = (*ALL_SCOPES, "events:read", "webhooks:admin")
LISTENS = " ".join((*SCOPES, "members:admin", "tenants:admin"))
FILES = " ".join(SCOPES)
FOLDER = {"v": 1, "own": [["default", "folder/", "rwdl"]], "s": FILES}
TUS = {"Tus-Resumable": "1.0.0"}


@dataclass(frozen=True)
class World:
    """Two tenants: `owner` has all objects that the paths name; `strangers` are other clients.

    `names` maps each parameter of a path to two values:
    that of an existing object and that of an absent object.
    """

    owner: ApiClient
    strangers: dict[str, ApiClient]
    names: dict[str, tuple[str, str]]
    own_tenant: str
    #: A client of the owner's tenant, with every file scope and a grant for one folder.
    of_a_folder: ApiClient


def person(tenants: Tenants, tenant: str, name: str) -> tuple[str, ApiClient]:
    """Create an owner of a tenant, and return the owner's id and logged-in client."""
    user = {"username": name, "role": "owner", "password": PASSWORD}
    made = tenants.admin.send_json("POST", f"/auth/v1/tenants/{tenant}/users", user)
    assert made.status == 201, made.body
    login = {"tenant": tenant, "username": name, "password": PASSWORD}
    answer = tenants.admin.using(None).send_json("POST", "/auth/login", login)
    assert answer.status == 200, answer.body
    token = answer.json()["access_token"]
    return str(made.json()["user_id"]), ApiClient(tenants.admin.port, token, tenant)


def link(api: ApiClient, **wanted: object) -> str:
    """Return the token of a new link."""
    answer = api.send_json("POST", "/v1/links", wanted)
    assert answer.status == 201, answer.body
    return str(answer.json()["url"].rstrip("/").rpartition("/")[2])


def begun(api: ApiClient, bucket: str, key: str, **fields: str) -> Answer:
    """Begin a resumable upload of ten bytes."""
    names = {"bucket": bucket, "key": key}
    metadata = ",".join(f"{n} {b64encode(v.encode()).decode()}" for n, v in names.items())
    sent = {**TUS, "Upload-Length": "10", "Upload-Metadata": metadata, **fields}
    return api.request("POST", "/v1/uploads", b"", sent)


def unsent_test(api: ApiClient) -> tuple[str, str]:
    """Create a paused endpoint with a test, which is not sent; return their ids."""
    made = api.send_json("POST", "/v1/webhooks", {"url": "https://93.184.216.34/hook"})
    assert made.status == 201, made.body
    endpoint = str(made.json()["endpoint"]["id"])
    assert api.send_json("PATCH", f"/v1/webhooks/{endpoint}", {"paused": True}).status == 200
    test = api.request("POST", f"/v1/webhooks/{endpoint}/test", b"")
    assert test.status == 202, test.body
    return endpoint, str(test.json()["id"])


@pytest.fixture(scope="module")
def world(tenants: Tenants, signer: Signer) -> World:
    """Create the owner's objects and the stranger's credentials."""
    owner, stranger = tenants.tenant(*ALL_SCOPES, "webhooks:admin"), tenants.tenant(*SCOPES)
    assert owner.send_json("PUT", f"/v1/buckets/{BUCKET}", {}).status == 201
    for bucket in (BUCKET, "default"):
        owner.stored(KEY, SECRET, bucket=bucket)
    user, theirs = person(tenants, owner.tenant, "theirs")
    _, own = person(tenants, stranger.tenant, "own")
    session = theirs.get("/auth/sessions").json()["sessions"][0]
    clients = tenants.admin.get(f"/auth/v1/tenants/{owner.tenant}/clients").json()["clients"]

    their_client = clients[0]["client_id"]
    secrets = f"/auth/v1/tenants/{owner.tenant}/clients/{their_client}/secrets"
    secret = tenants.admin.get(secrets).json()["secrets"][0]["secret_id"]
    groups = f"/auth/v1/tenants/{owner.tenant}/groups"
    their_group = tenants.admin.send_json("POST", groups, {"name": "theirs"}).json()["group_id"]
    added = tenants.admin.request("PUT", f"{groups}/{their_group}/members/{user}")
    assert added.status == 204, added.body

    def ticket(bucket: str) -> str:
        rules = {"bucket": bucket, "prefix": ""}
        return signer.token(tid=stranger.tenant, scope="files:write", ticket=rules)

    upload = begun(owner, BUCKET, "unfinished", **{"Upload-Concat": "partial"})
    assert upload.status == 201, upload.body
    their_upload = upload.header("Location").rpartition("/")[2]
    their_link = link(owner, bucket=BUCKET, prefix="")
    endpoint, delivery = unsent_test(owner)
    flipped = {"A": "B"}.get(their_link[10], "A")
    return World(
        owner,
        {
            "client": stranger,
            "person": own,
            "ticket": stranger.using(ticket("default")),
            # This token has the owner's tenant and every scope, but it is for the live channel,
            # which allows no request of the walk.
            "listener": owner.using(signer.token(tid=owner.tenant, scope=LISTENS, aud="live")),
            "nobody": stranger.using(None),
        },
        {
            "tenant": (owner.tenant, "absent-tenant"),
            "bucket": (BUCKET, NO_BUCKET),
            "key": (KEY, NO_KEY),
            # In paths with a key: a link of the stranger. In other
            # paths: the owner's link with one changed character.
            "token": (link(stranger, bucket="default", prefix=""),) * 2,
            "token alone": (their_link[:10] + flipped + their_link[11:], "absent" * 20),
            "ticket": (ticket(BUCKET), ticket(NO_BUCKET)),
            "link": (owner.get("/v1/links").json()["links"][0]["id"], "0" * 32),
            "upload": (their_upload, "0" * len(their_upload)),
            "endpoint": (endpoint, "0" * 32),
            "delivery": (delivery, "test-1"),
            "session": (session[next(name for name in session if name.endswith("id"))], "0" * 32),
            "client": (their_client, "absent-client"),
            "secret": (secret, "absent-secret"),
            "user": (user, "absent-user"),
            "group": (their_group, "absent-group"),
            "subject": (user, "absent-user"),
        },
        stranger.tenant,
        owner.using(signer.token(tid=owner.tenant, scope=FILES, grants=FOLDER)),
    )


def targets(path: str, world: World) -> Iterator[tuple[str, str]]:
    """Yield pairs of addresses: one of another tenant's object, and one of an absent object."""
    names = re.findall(r"{([^}]+)}", path)
    chosen = {name: world.names[name] for name in names}
    if names == ["token"]:
        chosen["token"] = world.names["token alone"]
    yield filled(path, chosen)
    # The second pair has the stranger's own tenant or
    # bucket, and the name of an object of the owner.
    if names[:1] == ["tenant"] and len(names) > 1:
        yield filled(path, {**chosen, "tenant": (world.own_tenant,) * 2})
    if names == ["bucket", "key"]:
        yield filled(path, {**chosen, "bucket": ("default",) * 2})


def filled(path: str, chosen: dict[str, tuple[str, str]]) -> tuple[str, str]:
    """Return the path with the first name of each pair, and with the second."""
    theirs = absent = path
    for name, (one, other) in chosen.items():
        theirs, absent = theirs.replace(f"{{{name}}}", one), absent.replace(f"{{{name}}}", other)
    return theirs, absent


def requests_of(method: str, path: str) -> Iterator[tuple[bytes | None, dict[str, str]]]:
    """Yield the bodies and header fields to send."""
    of_uploads = path.startswith("/v1/uploads") or "/uploads/" in path
    if of_uploads and method != "PUT":
        appending = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        yield b"0123456789" if method in ("PATCH", "POST") else None, {**TUS, **appending}
        yield None, TUS
        if method == "POST":
            override = {"X-HTTP-Method-Override": "DELETE"}
            yield b"", {**TUS, **override}
    elif path.startswith(("/v1/files", "/u/")) and method == "POST":
        yield multipart_body(file_part("x")), {"Content-Type": CONTENT_TYPE}
    elif path.startswith(("/v1/files", "/u/")) and method == "PUT":
        # The precondition keeps a PUT from storing a file in the stranger's bucket. A stored file
        # would make the two responses differ.
        for content in (SMALL, LARGE):
            yield content, {"If-Match": '"x"'}
    elif method in ("POST", "PUT", "PATCH"):
        body = json.dumps(BODIES.get((method, path), {})).encode()
        yield body, {"Content-Type": "application/json"}
    else:
        yield None, {}


def shape(answer: Answer, target: str, world: World) -> tuple[object, ...]:
    """Return a response's status, body, names of fields and challenge.

    The request id and the requested names in the body are left out.
    """
    body = answer.body.decode()
    for pair in world.names.values():
        for name in pair:
            if name in target:
                body = body.replace(name, "(name)")
    body = re.sub(r'"request_id": ?"[^"]*"', "", body)
    fields = sorted(name.lower() for name in answer.headers)
    return answer.status, body, fields, answer.headers.get("WWW-Authenticate")


def of_files(path: str, world: World) -> dict[str, ApiClient]:
    """Return the client of one folder, for paths that name objects outside of this folder."""
    named = {"bucket", "key", "upload", "endpoint"}.intersection(re.findall(r"{([^}]+)}", path))
    return {"folder": world.of_a_folder} if named and "{tenant}" not in path else {}


PATHS = sorted({path for _, path in WALKED})


@pytest.mark.parametrize("path", PATHS)
def test_anothers_is_like_absent(wharf: Wharf, world: World, path: str) -> None:
    """With every method another tenant's object gets the response of an absent object.

    A client also gets this response for objects of its own tenant that are outside of its grants.
    """
    with nothing_stored(wharf, world.owner.tenant), nothing_stored(wharf, world.own_tenant):
        for who, api in {**world.strangers, **of_files(path, world)}.items():
            for theirs, absent in targets(path, world):
                for method in VERBS:
                    if (method, path) in ELSEWHERE:
                        continue
                    for body, fields in requests_of(method, path):
                        one = api.request(method, theirs, body, fields)
                        other = api.request(method, absent, body, fields)
                        where = f"{who}: {method} {theirs}"
                        assert shape(one, theirs, world) == shape(other, absent, world), where
                        assert one.status >= 400 or method == "OPTIONS", where
                        assert SECRET not in one.body, where
    assert world.owner.file(KEY, bucket=BUCKET).body == SECRET


def test_everything_is_in_the_tables(world: World) -> None:
    """The tables name every operation and every parameter of both documents."""
    declared = operations(world.owner)
    assert set(declared) == WALKED | set(ELSEWHERE)
    assert not WALKED & set(ELSEWHERE)
    parameters: dict[str, set[tuple[str, str]]] = {}
    for where, operation in declared.items():
        for parameter in operation.get("parameters", []):
            parameters.setdefault(parameter["name"], set()).add(where)
    unknown = {name: routes for name, routes in parameters.items() if name not in NAMES | HARMLESS}
    assert unknown == {}


def test_the_walk_finds_what_is_ones_own(world: World, tenants: Tenants) -> None:
    """The walk's addresses are valid: the owner gets a 200.

    The client of one folder can use this folder.
    """
    assert world.of_a_folder.put("folder/own").status == 201
    assert world.of_a_folder.listed() == ["folder/own"]
    assert world.of_a_folder.delete("folder/own").status == 204
    for path in PATHS:
        theirs, _ = next(iter(targets(path, world)))
        api = tenants.admin if "/tenants/" in path else world.owner
        if ("GET", path) in WALKED and not path.startswith(("/public/", "/s/", "/u/")):
            # The status of an upload has no content.
            assert api.get(theirs).status == (204 if "/uploads/" in path else 200), path


@pytest.mark.parametrize("which", [{"key": KEY}, {"prefix": "secret/"}, {"prefix": ""}])
def test_names_in_bodies(world: World, which: dict[str, str]) -> None:
    """A link to another tenant's file or bucket is refused exactly like one to an absent bucket."""
    api = world.strangers["client"]
    answers = [
        api.send_json("POST", "/v1/links", {"bucket": bucket, **which})
        for bucket in (BUCKET, NO_BUCKET)
    ]
    assert [answer.status for answer in answers] == [404, 404]
    shapes = [
        shape(one, bucket, world) for one, bucket in zip(answers, (BUCKET, NO_BUCKET), strict=True)
    ]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("end", ["from", "to"])
def test_addresses_in_bodies(world: World, end: str) -> None:
    """A move from or into another tenant's bucket is refused like a move with an absent bucket."""
    api = world.strangers["client"]
    api.stored("mine", SMALL)
    answers = []
    for bucket in (BUCKET, NO_BUCKET):
        addresses = {name: {"bucket": "default", "key": "mine"} for name in ("from", "to")}
        addresses[end] = {"bucket": bucket, "key": KEY}
        answers.append(api.send_json("POST", "/v1/copies", {**addresses, "move": True}))
    assert [answer.status for answer in answers] == [404, 404]
    assert shape(answers[0], BUCKET, world) == shape(answers[1], NO_BUCKET, world)
    assert api.delete("mine").status == 204


def test_names_in_upload_metadata(world: World) -> None:
    """An upload into another tenant's bucket is refused exactly like one into an absent bucket."""
    answers = [
        begun(world.strangers["client"], bucket, key)
        for bucket, key in ((BUCKET, KEY), (NO_BUCKET, KEY))
    ]
    assert [answer.status for answer in answers] == [404, 404]
    assert shape(answers[0], BUCKET, world) == shape(answers[1], NO_BUCKET, world)


def test_parts_of_another_tenant(world: World) -> None:
    """A concatenation of another tenant's parts is refused exactly like one of absent parts."""
    answers = []
    for part in world.names["upload"]:
        fields = {"Upload-Concat": f"final;/v1/uploads/{part}"}
        answers.append(begun(world.strangers["client"], "default", "whole", **fields))
    assert answers[0].status >= 400
    theirs, absent = (
        shape(answer, part, world)
        for answer, part in zip(answers, world.names["upload"], strict=True)
    )
    assert theirs == absent


def test_links_reach_ones_own(world: World) -> None:
    """A link to a prefix of the stranger's bucket never leads into the owner's bucket."""
    own = link(world.strangers["client"], bucket="default", prefix="")
    anyone = world.strangers["nobody"]
    for key in (KEY, f"../{BUCKET}/{KEY}", f"..%2F{BUCKET}/{KEY}", f"%2e%2e/default/{KEY}"):
        answer = anyone.get(f"/s/{own}/{key}")
        assert answer.status in (400, 404), key
        assert SECRET not in answer.body


def test_rotating_is_ones_own(world: World) -> None:
    """Rotating the link key ends only the links of the caller's own tenant."""
    theirs = link(world.owner, bucket=BUCKET, key=KEY)
    assert world.strangers["client"].request("POST", "/v1/links/rotate").status == 204
    assert world.strangers["nobody"].get(f"/s/{theirs}").body == SECRET


def test_events_are_ones_own(world: World) -> None:
    """Events show nothing of another tenant, and another tenant's cursor is refused."""
    api = world.strangers["client"]
    last = cursor_of(api.tenant, 1 << 62)
    for query in ("", "?after=0", "?limit=1000", "?order=newest", f"?order=newest&before={last}"):
        answer = api.get(f"/v1/events{query}")
        assert answer.status == 200
        assert BUCKET.encode() not in answer.body
        assert world.owner.tenant.encode() not in answer.body
    theirs = cursor_of(world.owner.tenant, 1 << 62)
    for query in (f"?after={theirs}", f"?order=newest&before={theirs}"):
        api.get(f"/v1/events{query}").problem(400, "malformed-request")


def test_heard_live_is_ones_own(world: World) -> None:
    """A live channel sends no event of another tenant, and refuses tickets and missing tokens."""
    streamed = {"Accept": "text/event-stream"}
    world.owner.stored("while-strangers-listen", SECRET)
    for who in ("client", "person"):
        api, own = world.strangers[who], f"own-of-{who}"
        with Stream(api, "/v1/events?after=0") as stream, listening(api, 0) as listener:
            api.stored(own)
            assert listener.hears(own)
            heard = list(listener.heard["event"])
            for *_, document in stream.events():
                heard.append(document)
                if document["file"]["key"] == own:
                    break
        assert not any(name in json.dumps(heard) for name in (BUCKET, KEY, "while-strangers"))
        assert api.delete(own).status == 204
    for who, refused in (("ticket", "insufficient-scope"), ("nobody", "token-missing")):
        api = world.strangers[who]
        assert api.get("/v1/events?after=0", streamed).slug == refused
        assert Listener(api.port, api.token).connect().refusal == refused
    assert world.owner.delete("while-strangers-listen").status == 204


def test_uploads_under_way_are_ones_own(world: World) -> None:
    """The list of uploads shows nothing of another tenant, with any filter or cursor."""
    api = world.strangers["client"]
    theirs, _ = world.names["upload"]
    (upload,) = world.owner.get("/v1/uploads").json()["uploads"]
    assert upload["id"] == theirs
    for query in ("", f"?subject={upload['subject']}", f"?cursor={'0' * 32}", "?limit=1000"):
        answer = api.get(f"/v1/uploads{query}")
        assert (answer.status, answer.json()["uploads"]) == (200, [])


def test_links_are_ones_own(world: World) -> None:
    """The list of links shows nothing of another tenant, with any filter or cursor."""
    api = world.strangers["client"]
    theirs, _ = world.names["link"]
    all_of_owner = world.owner.get("/v1/links").json()["links"]
    (link,) = [one for one in all_of_owner if one["id"] == theirs]
    for query in ("", f"?maker={link['maker']}", f"?bucket={BUCKET}", f"?cursor={theirs}"):
        found = api.get(f"/v1/links{query}").json().get("links", [])
        assert not {one["id"] for one in found} & {one["id"] for one in all_of_owner}


def test_idempotency_keys_are_ones_own(world: World) -> None:
    """An idempotency key that another tenant has used does not replay that tenant's response."""
    fields = {"Idempotency-Key": "one-and-the-same"}
    first = world.owner.put("idempotent", SECRET, fields)
    second = world.strangers["client"].put("idempotent", SMALL, fields)
    assert (first.status, second.status) == (201, 201)
    assert first.json()["sha256"] != second.json()["sha256"]
    assert world.owner.delete("idempotent").status == 204
    assert world.strangers["client"].delete("idempotent").status == 204


def test_administration_is_closed(world: World) -> None:
    """Requests that only administrators may make are refused without naming any tenant."""
    for who, api in world.strangers.items():
        for target in ("/auth/v1/tenants", f"/auth/v1/audit?tenant={world.owner.tenant}"):
            answer = api.get(target)
            assert answer.status in (401, 403, 404), who
            assert world.owner.tenant.encode() not in answer.body
        made = api.send_json("POST", "/auth/v1/tenants", {"tenant": "mine-too"})
        assert made.status in (401, 403, 404), who
