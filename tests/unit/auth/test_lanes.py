"""The lane of secrets: which requests the gateway sends to auth's second process."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.servers.auth import AuthService
from wharf_auth import cli
from wharf_auth.accounts.secrets import Hasher

TEMPLATE = Path(__file__).parents[3] / "deploy/nginx/conf.d/requests.conf.template"
# Requests that verify or make a secret or a password.
SECRETS = {
    "POST /auth/login",
    "POST /auth/oauth/token",
    "POST /auth/oauth/introspect",
    "POST /auth/oauth/revoke",
    "PUT /auth/me/password",
    "POST /auth/v1/tenants/<tenant>/clients",
    "POST /auth/v1/tenants/<tenant>/clients/<client>/secrets",
    "POST /auth/v1/tenants/<tenant>/users",
    "PUT /auth/v1/tenants/<tenant>/users/<user>/password",
}


def lanes() -> list[re.Pattern[str]]:
    """Return the gateway's patterns for requests with a secret."""
    table = re.search(r"\$wharf_auth_lane \{(.*?)\n\}", TEMPLATE.read_text(), re.DOTALL)
    assert table is not None
    return [re.compile(one) for one in re.findall(r'"~(.*)" auth_secrets;', table[1])]


def test_every_route_has_its_lane(auth: AuthService) -> None:
    """The gateway's table names each route that handles a secret, and no other route."""
    chosen = set()
    for rule in auth.app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"<\1>", rule.rule)
        sample = path.replace("<tenant>", "demo").replace("<", "").replace(">", "")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            if any(one.search(f"{method} {sample}") for one in lanes()):
                chosen.add(f"{method} {path}")
    assert chosen == SECRETS


def test_nothing_else_is_hashed(auth: AuthService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading, changing and deleting clients and users hashes no secret."""
    made = auth.admin("POST", "/tenants/demo/clients", json={"name": "x", "scopes": ["files:read"]})
    user = auth.admin("POST", "/tenants/demo/users", json={"username": "ada", "role": "viewer"})
    client = f"/tenants/demo/clients/{made.get_json()['client_id']}"
    person = f"/tenants/demo/users/{user.get_json()['user_id']}"
    hashed: list[str] = []
    for name in ("hash", "matches", "matching"):
        monkeypatch.setattr(Hasher, name, lambda *_, name=name: hashed.append(name))
    for path in ("/tenants", "/audit", "/tenants/demo/users", "/tenants/demo/clients", client):
        assert auth.admin("GET", path).status_code == 200
    assert auth.admin("PATCH", client, json={"name": "y"}).status_code == 200
    assert auth.admin("PATCH", person, json={"role": "editor"}).status_code == 200
    assert auth.admin("DELETE", f"{person}/sessions").status_code == 204
    assert auth.admin("DELETE", person).status_code == 204
    assert auth.admin("DELETE", client).status_code == 204
    assert not hashed


@pytest.mark.parametrize(
    ("main", "own", "expected"),
    [
        ("/run/auth.sock", None, ["/run/auth.sock", "/run/secrets.sock"]),
        ("/run/auth.sock", "/x.sock", ["/run/auth.sock", "/x.sock"]),
        ("/run/auth.sock", "", ["/run/auth.sock"]),
        (":3031", None, [":3031"]),
        (":3031", ":3032", [":3031", ":3032"]),
    ],
)
def test_sockets_of_a_container(main: str, own: str | None, expected: list[str]) -> None:
    """uWSGI has a second socket for secrets, at the set address or next to auth's Unix socket,
    unless the setting is empty.
    """
    environ = {"WHARF_AUTH_SOCKET": main}
    if own is not None:
        environ["WHARF_AUTH_SECRETS_SOCKET"] = own
    assert cli._sockets(environ) == expected
    assert [environ[name] for name in environ if "SECRETS" in name] == expected[1:]
