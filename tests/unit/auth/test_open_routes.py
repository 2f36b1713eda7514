"""Protection of auth's routes, declared where each route is registered."""

from __future__ import annotations

from servicekit.protected_routes import open_routes
from tests.servers.auth import AuthService
from wharf_auth.domain import tokens
from wharf_auth.signing import KeyRing

#: Every route that needs no access token. A developer must add each new open route here.
OPEN = {
    "GET /.well-known/jwks.json",
    "GET /.well-known/oauth-authorization-server",
    "GET /.well-known/oauth-authorization-server/<path:issuer_path>",
    "GET /auth/healthz",
    "GET /auth/internal/feed",
    "GET /auth/openapi.json",
    "GET /auth/readyz",
    "GET /metrics",
    "POST /auth/login",
    "POST /auth/logout",
    "POST /auth/oauth/introspect",
    "POST /auth/oauth/revoke",
    "POST /auth/oauth/token",
}


def test_the_open_routes_are_those_of_the_list(auth: AuthService) -> None:
    """The routes without a token are exactly those of the list."""
    assert set(open_routes(auth.app)) == OPEN


def test_every_route_names_its_protection(auth: AuthService) -> None:
    """Each route of auth declares its protection; no route relies on the default."""
    views = auth.app.view_functions
    assert [name for name, view in views.items() if not hasattr(view, "protection")] == []


def protected_routes(auth: AuthService) -> list[tuple[str, str]]:
    """Return method and path of each route that needs a token."""
    adapter = auth.app.url_map.bind("wharf.test")
    values = {"tenant": "acme", "client": "c1", "secret": "s1", "user": "u1", "session": "s1"}
    values |= {"group": "g1", "subject": "u1"}
    found = []
    for rule in auth.app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            if f"{method} {rule.rule}" not in OPEN:
                arguments = {name: values[name] for name in rule.arguments}
                found.append((method, adapter.build(rule.endpoint, arguments, method)))
    return found


def test_every_other_route_refuses_a_request_without_a_token(auth: AuthService) -> None:
    """Each protected route refuses a request without a token with 401 `token-missing`."""
    routes = protected_routes(auth)
    assert len(routes) > 20
    for method, path in routes:
        reply = auth.app.test_client().open(path, method=method)
        assert (reply.status_code, reply.get_json()["type"]) == (401, "/problems/token-missing")


def test_every_other_route_refuses_a_program_without_scopes(auth: AuthService) -> None:
    """A token without scopes, of another tenant, gets 403 or 404 from every protected route."""
    ring = KeyRing(auth.settings.keys_directory)
    made = tokens.claims(
        issuer=auth.settings.issuer,
        tenant="other",
        subject="program",
        scopes=(),
        now=int(auth.clock()),
        ttl_seconds=60,
    )
    token = ring.sign({**made, "aud": tokens.AUTH_AUDIENCE})
    for method, path in protected_routes(auth):
        reply = auth.app.test_client().open(
            path, method=method, headers={"Authorization": f"Bearer {token}"}
        )
        assert reply.status_code in {403, 404}, (method, path, reply.text)
