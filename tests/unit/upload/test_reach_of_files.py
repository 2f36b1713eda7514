"""Tests of what a caller with grants may do with existing files."""

from __future__ import annotations

import json
from typing import Any

import pytest

from servicekit.reaches import ReachChange
from tests.servers.granted import compact
from tests.servers.narrowed import Caller, narrowed, seen, tell
from tests.servers.upload import UploadService

ADDRESSES = {"source": "users/me/a.txt", "other": "users/you/a.txt"}


@pytest.fixture
def stored(upload: UploadService) -> UploadService:
    """Return a service with a file of each of two people, and one more bucket."""
    for key in ADDRESSES.values():
        upload.put(key, b"text")
    upload.request("PUT", "/v1/buckets/secret")
    upload.put("users/me/a.txt", b"text", bucket="secret")
    return upload


def copy(source: str, target: str, bucket: str = "default", **more: Any) -> dict[str, Any]:
    """Return the body of a move."""
    return {
        "from": {"bucket": "default", "key": source},
        "to": {"bucket": bucket, "key": target},
        "move": True,
        **more,
    }


def renamed(body: Any, name: str) -> Any:
    """Return the body with NAME replaced."""
    return json.loads(json.dumps(body).replace("NAME", name))


def link(key: str, bucket: str = "default") -> dict[str, str]:
    """Return the body of a request for a link."""
    return {"bucket": bucket, "key": key}


WAYS = [
    ("GET", "/v1/files/{}", None),
    ("HEAD", "/v1/files/{}", None),
    ("GET", "/v1/files/{}?w=64", None),
    ("GET", "/v1/metadata/{}", None),
    ("PATCH", "/v1/metadata/{}", {"filename": "b.txt"}),
    ("PATCH", "/v1/metadata/{}", {"key": "users/me/new.txt"}),
    ("DELETE", "/v1/files/{}", None),
]


@pytest.mark.parametrize(("method", "path", "body"), WAYS)
def test_what_is_outside_is_absent(
    stored: UploadService, method: str, path: str, body: object
) -> None:
    """A file outside the grants, in the same or another bucket, gets exactly the response of an
    absent file, and stays unchanged.
    """
    me = narrowed(stored, "read,write,delete,list:default/users/me/")
    for there, absent in (
        ("default/users/you/a.txt", "default/users/me/absent.txt"),
        ("default/users/you/a.txt", "default/users/you/absent.txt"),
        ("secret/users/me/a.txt", "absent/users/me/a.txt"),
    ):
        answer = seen(me.ask(method, path.format(there), body))
        assert answer[0] == 404
        assert answer == seen(me.ask(method, path.format(absent), body))
        if "secret" not in there:  # The same text that a caller with a reach of all keys gets.
            anybody = narrowed(stored, "read,write,delete,list:*")
            assert answer == seen(anybody.ask(method, path.format(absent), body))
    assert stored.content("users/you/a.txt") == b"text"
    assert stored.content("users/me/a.txt", bucket="secret") == b"text"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/copies", copy("NAME", "users/me/new.txt")),
        ("POST", "/v1/links", link("NAME")),
    ],
)
def test_what_a_body_names_outside_is_absent(
    stored: UploadService, method: str, path: str, body: dict[str, object]
) -> None:
    """A move from a key outside the grants, and a link to this key, get the response of an absent
    file.
    """
    me = narrowed(stored, "read,write,delete,list:default/users/me/")
    answers = [
        seen(me.ask(method, path, renamed(body, key)))
        for key in ("users/you/a.txt", "users/you/absent.txt", "users/me/absent.txt")
    ]
    assert answers[0][0] == 404
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/copies", copy("users/me/a.txt", "users/me/b.txt", "NAME")),
        ("POST", "/v1/links", link("users/me/a.txt", "NAME")),
        ("POST", "/v1/links", {"bucket": "NAME", "prefix": "users/me/"}),
        ("GET", "/v1/buckets/NAME", None),
        ("PUT", "/v1/buckets/NAME", {}),
        ("DELETE", "/v1/buckets/NAME", None),
    ],
)
def test_a_bucket_that_no_grant_names_is_absent(
    stored: UploadService, method: str, path: str, body: object
) -> None:
    """A bucket without a grant gets the response of an absent bucket, and is not created."""
    me = narrowed(stored, "read,write,delete,list:default")
    answers = [
        seen(me.ask(method, path.replace("NAME", name), renamed(body, name)))
        for name in ("secret", "absent")
    ]
    assert answers[0][0] == 404
    assert answers[0] == answers[1]
    assert stored.request("GET", "/v1/buckets/absent").status_code == 404


def test_pages_of_other_origins_learn_no_buckets(stored: UploadService) -> None:
    """The origins of a bucket without a grant are not revealed."""
    policy = json.dumps({"cors_origins": ["https://app.test"]}).encode()
    as_json = {"Content-Type": "application/json"}
    for bucket in ("secret", "default"):
        stored.request("PUT", f"/v1/buckets/{bucket}", policy, as_json)
    me = narrowed(stored, "read:default")
    origin = {"Origin": "https://app.test"}
    answers = [
        seen(me.ask("GET", f"/v1/files/{bucket}/a", headers=origin))
        for bucket in ("secret", "absent")
    ]
    assert answers[0] == answers[1]
    reply = me.ask("GET", "/v1/files/default/users/me/a.txt", headers=origin)
    assert reply.headers["Access-Control-Allow-Origin"] == "https://app.test"


#: The actions that each operation needs. If one of them is missing, the operation is refused.
NEEDS = [
    pytest.param("GET", "/v1/files/default/users/me/a.txt", None, "read", id="download"),
    pytest.param("GET", "/v1/files/default/users/me/a.txt?w=64", None, "read", id="picture"),
    pytest.param("GET", "/v1/metadata/default/users/me/a.txt", None, "read", id="metadata"),
    pytest.param(
        "PATCH",
        "/v1/metadata/default/users/me/a.txt",
        {"filename": "b.txt", "key": "users/me/a.txt"},
        "read,write",
        id="change",
    ),
    pytest.param(
        "PATCH",
        "/v1/metadata/default/users/me/a.txt",
        {"key": "users/me/b.txt"},
        "read,write,delete",
        id="rename",
    ),
    pytest.param(
        "PATCH",
        "/v1/metadata/default/users/me/a.txt",
        {"expires_at": None},
        "read,write,delete",
        id="expiry",
    ),
    pytest.param("DELETE", "/v1/files/default/users/me/a.txt", None, "delete", id="delete"),
    pytest.param(
        "POST",
        "/v1/copies",
        copy("users/me/a.txt", "users/me/b.txt"),
        "read,write,delete",
        id="move",
    ),
    pytest.param("POST", "/v1/links", link("users/me/a.txt"), "read", id="link"),
    pytest.param(
        "POST", "/v1/links", {"bucket": "default", "prefix": "users/me"}, "read", id="folder link"
    ),
]


@pytest.mark.parametrize(("method", "path", "body", "needed"), NEEDS)
def test_the_table(
    stored: UploadService, method: str, path: str, body: object, needed: str
) -> None:
    """Each operation needs exactly the actions in the table."""
    actions = needed.split(",")
    for missing in actions:
        rest = {"read", "write", "delete", "list"} - {missing}
        me = narrowed(stored, f"{','.join(rest)}:default/users/me/")
        assert me.slug(method, path, body) == "outside-grants", missing
        # A key that may be neither read nor listed does not exist for the caller.
        me = narrowed(stored, f"{','.join(rest - {'read', 'list'})}:default/users/me/")
        unknown = "outside-grants" if "prefix" in str(body) else "not-found"
        assert me.slug(method, path, body) == unknown, missing
    done = narrowed(stored, f"{needed}:default/users/me/").slug(method, path, body)
    assert done in {"200", "201", "204"} or (done, "w=64" in path) == ("no-preview", True)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/copies", copy("users/me/a.txt", "users/me/b.txt")),
        ("PATCH", "/v1/metadata/default/users/me/a.txt", {"key": "users/me/b.txt"}),
    ],
)
def test_a_move_needs_the_scope_of_deletions(
    stored: UploadService, method: str, path: str, body: object
) -> None:
    """A move needs `files:delete` if the caller has grants, and only `files:write` otherwise."""
    scopes = "files:read files:write"
    me = narrowed(stored, "read,write,delete:default/users/me/", scopes=scopes)
    reply = me.ask(method, path, body)
    assert (reply.status_code, (reply.json or {})["required_scope"]) == (403, "files:delete")
    unbound = {"Authorization": f"Bearer {stored.issuer.token(scope=scopes)}"}
    as_json = {"Content-Type": "application/json", **unbound}
    done = stored.request(method, path, json.dumps(body).encode(), as_json)
    assert done.status_code in {200, 201}


@pytest.mark.parametrize("target", ["users/you/b.txt", "users/you/a.txt", "users/m"])
def test_a_move_stays_inside(stored: UploadService, target: str) -> None:
    """A move to a key outside is refused, whether a file exists there or not."""
    me = narrowed(stored, "read,write,delete,list:default/users/me/")
    for how in ("error", "rename", "replace"):
        reply = me.ask("POST", "/v1/copies", copy("users/me/a.txt", target, on_conflict=how))
        assert reply.json is not None
        assert reply.json["type"] == "/problems/outside-grants"
        assert {name: reply.json[name] for name in ("action", "bucket", "key")} == {
            "action": "write",
            "bucket": "default",
            "key": target,
        }
    path = "/v1/metadata/default/users/me/a.txt"
    assert me.slug("PATCH", path, {"key": target}) == "outside-grants"
    assert stored.content("users/me/a.txt") == b"text"
    assert stored.content("users/you/a.txt") == b"text"


def test_a_chosen_key_stays_inside(stored: UploadService) -> None:
    """If the number that `rename` adds leads out of the grants, the key counts as taken."""
    stored.put("users/me/a.jpg", b"other")
    exact = narrowed(
        stored, "read,write,delete:default/users/me/a.txt", "write:default/users/me/a.j"
    )
    move = copy("users/me/a.txt", "users/me/a.jpg", on_conflict="rename")
    assert exact.slug("POST", "/v1/copies", move) == "key-taken"
    assert stored.content("users/me/a.txt") == b"text"
    wider = narrowed(stored, "read,write,delete:default/users/me/a")
    reply = wider.ask("POST", "/v1/copies", move)
    assert reply.status_code == 201
    assert reply.headers["Location"] == "/v1/files/default/users/me/a%20(2).jpg"


def test_a_repeated_move_is_judged_anew(stored: UploadService) -> None:
    """A repeated move with an Idempotency-Key is answered only within the current grants.

    The key that the first move chose for the file has to be within the grants.
    """
    stored.put("inbox/a.txt", b"other")
    move = copy("users/me/a.txt", "inbox/a.txt", on_conflict="rename")
    once = {"Idempotency-Key": "once"}
    source = "read,write,delete:default/users/me/"
    first = narrowed(stored, source, "write:default/inbox/")
    assert first.ask("POST", "/v1/copies", move, once).status_code == 201
    again = first.ask("POST", "/v1/copies", move, once)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    for grants in (
        (source,),
        ("write,delete:default/users/me/", "write:default/inbox/"),
        (source, "write:default/inbox/a.t"),
    ):
        reply = narrowed(stored, *grants).ask("POST", "/v1/copies", move, once)
        assert reply.status_code in {403, 404}


def test_a_known_file_is_no_secret(stored: UploadService) -> None:
    """A caller that may read a file but not delete it learns which grant is missing."""
    reader = narrowed(stored, "read:default/users/")
    reply = reader.ask("DELETE", "/v1/files/default/users/me/a.txt")
    assert reply.json is not None
    assert reply.json["type"] == "/problems/outside-grants"
    assert reply.json["action"] == "delete"
    writer = narrowed(stored, "write:default/users/")
    assert writer.slug("DELETE", "/v1/files/default/users/me/a.txt") == "not-found"


def test_a_change_of_grants_counts_for_tokens_that_are_out(stored: UploadService) -> None:
    """The feed's newest grants apply to tokens without a claim or with an older claim."""
    path = "/v1/files/default/users/me/a.txt"
    tell(stored, "reach", "client-1", ReachChange(5, compact("read:default/other/"), "files:read"))
    assert stored.request("GET", path).status_code == 404
    tell(stored, "reach", "client-1", ReachChange(6, compact("read:default/users/"), "files:read"))
    assert stored.request("GET", path).status_code == 200
    assert stored.request("DELETE", path).status_code == 403
    older = Caller(stored, compact("read:default/other/"), subject="client-1")
    assert older.slug("GET", path) == "200"
