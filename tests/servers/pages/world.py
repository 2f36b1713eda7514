"""The world that the pages show: tenants, people and files, with scripts in all chosen names."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.people import PASSWORD
from tests.servers.wharf.tenants import ALL_SCOPES, Signer, Tenants

#: A text that sets `window.ran` if a page treats it as HTML: in a tag, an attribute or a script.
PLANTED = "</script><img src=x onerror=window.ran=1>\"'><svg onload=window.ran=2>"
#: The number of files in the bucket `many`: more than a page of the list.
MANY = 105
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c02"
    "0000000b4944415478da6364f80f00010501012718e3660000000049454e44ae426082"
)
LONG = "a-name-without-any-place-to-break-" * 4


@dataclass(frozen=True)
class Login:
    """The fields that a person types to log in."""

    tenant: str
    username: str
    password: str = PASSWORD


@dataclass(frozen=True)
class World:
    """Logins in `people` by name, a client `api` of `busy` with all scopes, and `places`.

    `places` are parts of addresses by name.
    """

    tenants: Tenants
    people: dict[str, Login]
    api: ApiClient
    places: dict[str, str]

    def suspend(self, who: str, *, end: bool = False) -> None:
        """Suspend the tenant of this person, or resume it with `end`."""
        act = "resume" if end else "suspend"
        target = f"/auth/v1/tenants/{self.people[who].tenant}/{act}"
        answer = self.tenants.admin.request("POST", target)
        assert answer.status == 204, answer.body


def made(tenants: Tenants, signer: Signer) -> World:
    """Make the world as administrators and clients do."""
    people = {
        who: _person(tenants, tenant, who, role)
        for tenant, who, role in (
            ("busy", "owner", "owner"),
            ("busy", "editor", "editor"),
            ("busy", "viewer", "viewer"),
            # The person whom owners view.
            ("busy", "member", "editor"),
            # The person who reaches one folder.
            ("busy", "limited", "editor"),
            # A person for sessions that tests end.
            ("busy", "passing", "owner"),
            # The tenant `empty` stays empty. Tests fill the tenant `fresh`.
            ("empty", "beginner", "owner"),
            ("fresh", "newcomer", "owner"),
            ("held", "suspended", "owner"),
        )
    }
    api = signer.client(tid="busy", scope=" ".join((*ALL_SCOPES, "webhooks:admin")))
    accounts = _accounts(tenants)
    places = {**_fill(api), **accounts, **_group(tenants, accounts), **_tickets(signer)}
    places |= _webhook(api)
    return World(tenants, people, api, places)


def _person(tenants: Tenants, tenant: str, who: str, role: str) -> Login:
    admin = tenants.admin
    names = {"tenant": tenant, "display_name": f"{tenant} {PLANTED}"}
    answer = admin.send_json("POST", "/auth/v1/tenants", names)
    assert answer.status in {201, 409}, answer.body
    user = {"username": who, "role": role, "password": PASSWORD, "display_name": f"Ann {PLANTED}"}
    answer = admin.send_json("POST", f"/auth/v1/tenants/{tenant}/users", user)
    assert answer.status == 201, answer.body
    return Login(tenant, who)


def planted_key() -> str:
    """Return the percent-encoded key of a file with a script in its name, without slashes."""
    return quote(f"{PLANTED}.txt".replace("/", "\N{DIVISION SLASH}"), safe="")


def _accounts(tenants: Tenants) -> dict[str, str]:
    """Make a client of `busy`, and return the ids of the client and of the users."""
    admin = tenants.admin
    users = admin.get("/auth/v1/tenants/busy/users?limit=100").json()["users"]
    ids = {f"{one['username']}_id": one["user_id"] for one in users}
    names = {"name": f"robot {PLANTED}", "scopes": ["files:read"]}
    answer = admin.send_json("POST", "/auth/v1/tenants/busy/clients", names)
    assert answer.status == 201, answer.body
    return {**ids, "client_id": answer.json()["client_id"]}


def _group(tenants: Tenants, accounts: dict[str, str]) -> dict[str, str]:
    """Make a group of `busy`, limit `limited` to a folder, and return the group's id."""
    admin, base = tenants.admin, "/auth/v1/tenants/busy"
    grant = {"bucket": "default", "prefix": "reports/2026/", "actions": ["read", "write", "list"]}
    target = f"{base}/users/{accounts['limited_id']}"
    assert admin.send_json("PATCH", target, {"grants": [grant]}).status == 200
    planted = {**grant, "prefix": "home/{user_id}/" + PLANTED.replace("/", "")}
    body = {"name": f"team {PLANTED}", "grants": [planted]}
    answer = admin.send_json("POST", f"{base}/groups", body)
    assert answer.status == 201, answer.body
    group = answer.json()["group_id"]
    members = {"add": [accounts["member_id"], accounts["client_id"]]}
    assert admin.send_json("POST", f"{base}/groups/{group}/members", members).status == 204
    return {"group_id": group}


def _tickets(signer: Signer) -> dict[str, str]:
    """Return a valid ticket and an expired one."""
    rules = {"bucket": "default", "prefix": "inbox/", "max_files": 20, "allowed_types": ["image/*"]}
    claims: dict[str, Any] = {
        "tid": "busy",
        "sub": "person",
        "scope": "files:write",
        "ticket": rules,
    }
    return {"ticket": signer.token(**claims), "old_ticket": signer.token(**claims, iat=1, exp=900)}


def _fill(api: ApiClient) -> dict[str, str]:
    """Make buckets, files, a link and an upload under way, and return the key with a
    script in it.
    """
    for bucket, policy in {"none": {}, "many": {}, "open": {"public": True}}.items():
        assert api.send_json("PUT", f"/v1/buckets/{bucket}", policy).status == 201
    for number in range(MANY):
        api.stored(f"{number:03}.txt", bucket="many")
    planted = planted_key()
    api.stored(planted)
    api.stored(f"{planted}/{planted}")
    api.stored(f"{LONG}.txt")
    api.stored(quote("مستند \N{HEBREW LETTER ALEF}.pdf"), b"%PDF-1.4\n%%EOF\n")
    api.stored("reports/2026/march.csv", b"a,b\n1,2\n")
    api.stored("examples/dot.png", PNG)
    api.stored("dot.png", PNG, bucket="open")
    change = {"metadata": {PLANTED: PLANTED}, "filename": f"{PLANTED}.txt".replace("/", "")}
    answer = api.send_json("PATCH", f"/v1/metadata/default/{planted}", change)
    assert answer.status == 200, answer.body
    fields = {"Upload-Length": "5000000", "Upload-Metadata": _tus(planted)}
    answer = api.request("POST", "/v1/uploads", headers={"Tus-Resumable": "1.0.0", **fields})
    assert answer.status == 201, answer.body
    link = {"bucket": "default", "key": unquote(planted), "expires_in": 86400}
    assert api.send_json("POST", "/v1/links", link).status == 201
    return {"planted": planted}


def _webhook(api: ApiClient) -> dict[str, str]:
    """Make an endpoint with a test, and return their ids; the endpoint is paused, so that nothing
    is sent.
    """
    url = f"https://93.184.216.34/{LONG}"
    answer = api.send_json("POST", "/v1/webhooks", {"url": url, "description": PLANTED})
    assert answer.status == 201, answer.body
    hook = answer.json()["endpoint"]["id"]
    assert api.send_json("PATCH", f"/v1/webhooks/{hook}", {"paused": True}).status == 200
    answer = api.request("POST", f"/v1/webhooks/{hook}/test", b"")
    assert answer.status == 202, answer.body
    return {"hook_id": hook, "test_id": answer.json()["id"]}


def _tus(key: str) -> str:
    pairs = {"bucket": "many", "key": unquote(key)}
    return ",".join(f"{name} {b64encode(text.encode()).decode()}" for name, text in pairs.items())
