"""Values that a release has issued and that outlive it: links, cursors, a session and tokens.

`make.py` calls this module. It stores tokens as header and claims, without the signing key.
"""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

import jwt

from tests.servers.wharf import people
from tests.servers.wharf.api_client import SMALL, ApiClient

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
READS_PICTURES = [{"bucket": "photos", "prefix": "shown/", "actions": ["read", "list"]}]
SHOWN = "shown/first.png"


def handed_out(
    admin: ApiClient, demo: ApiClient, ada: people.Person, picture: bytes, seconds: int
) -> dict[str, Any]:
    """Return links of an owner, of a guest and of a narrowed token, and further issued values.

    `seconds` is the lifetime of the links, except the link `over`, which expires after one second.
    """
    demo.stored(SHOWN, picture, bucket="photos")
    demo.stored("for-a-moment.txt", SMALL)
    narrowed = exchanged(ada.api, scope="files:read", expires_in="600")
    links = {
        "owner": link(ada.api, "notes/first.txt", seconds),
        "guest": link(guest(admin), SHOWN, seconds, "photos"),
        "narrowed": link(ada.api.using(narrowed), "once.txt", seconds),
        "over": link(ada.api, "for-a-moment.txt", 1),
    }
    first = ada.api.get("/v1/events?limit=3").json()
    newest = ada.api.get("/v1/events?limit=3&order=newest").json()
    time.sleep(1)
    return {
        "links": links,
        "next_after": first["next_after"],
        "next_before": newest["next_before"],
        "refresh_token": ada.cookie,
        "access_token": unsigned(str(ada.api.token)),
        "exchanged": unsigned(narrowed),
    }


def guest(admin: ApiClient) -> ApiClient:
    """Return the client of a new person, whose only grant is to read a folder, through a group."""
    made = people.make(admin, "demo", "grace", role="viewer")
    users = f"/auth/v1/tenants/demo/users/{made.id}"
    assert admin.send_json("PATCH", users, {"grants": []}).status == 200
    group = {"name": "Guests", "grants": READS_PICTURES}
    answer = admin.send_json("POST", "/auth/v1/tenants/demo/groups", group)
    assert answer.status == 201, answer.body
    members = f"/auth/v1/tenants/demo/groups/{answer.json()['group_id']}/members"
    assert admin.request("PUT", f"{members}/{made.id}").status < 300
    assert made.login().status == 200
    return made.api


def link(api: ApiClient, key: str, seconds: int, bucket: str = "default") -> str:
    """Return the path of a link to a file."""
    wanted = {"bucket": bucket, "key": key, "expires_in": seconds}
    answer = api.send_json("POST", "/v1/links", wanted)
    assert answer.status == 201, answer.body
    url = str(answer.json()["url"])
    return url[url.index("/s/") :]


def exchanged(api: ApiClient, **fields: str) -> str:
    """Exchange the client's token, and return the new token."""
    form = {
        "grant_type": EXCHANGE,
        "subject_token": str(api.token),
        "subject_token_type": ACCESS_TOKEN,
        **fields,
    }
    answer = api.using(None).request(
        "POST", "/auth/oauth/token", urlencode(form).encode(), people.FORM
    )
    assert answer.status == 200, answer.body
    return str(answer.json()["access_token"])


def unsigned(token: str) -> dict[str, Any]:
    """Return header and claims of a token, without the fields of the signing key."""
    header = {name: value for name, value in _part(token, 0).items() if name not in ("alg", "kid")}
    return {"header": header, "claims": claims_of(token)}


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims of a token."""
    return _part(token, 1)


def _part(token: str, number: int) -> dict[str, Any]:
    part: dict[str, Any] = json.loads(jwt.utils.base64url_decode(token.split(".")[number]))
    return part
