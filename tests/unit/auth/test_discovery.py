"""Public documents of auth: key set, metadata, health and OpenAPI."""

from __future__ import annotations

import json
import re

import pytest

from servicekit import jwks
from tests.servers.auth import AuthService
from wharf_auth.app import create_app
from wharf_auth.settings import Settings


def test_key_set_holds_public_keys_only(auth: AuthService) -> None:
    """The key set contains no private part of a key (security.md 63)."""
    reply = auth.app.test_client().get("/.well-known/jwks.json")
    assert reply.status_code == 200
    assert reply.headers["Cache-Control"] == "public, max-age=300"
    for key in reply.get_json()["keys"]:
        assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}
        assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")
    assert list(jwks.parse(reply.data))


@pytest.mark.parametrize("path", ["", "/auth"])
def test_metadata_has_all_urls_from_the_issuer(auth: AuthService, path: str) -> None:
    """The metadata of RFC 8414 are served at two paths, and all URLs begin with the issuer."""
    reply = auth.app.test_client().get(
        f"/.well-known/oauth-authorization-server{path}", headers={"Host": "evil.example"}
    )
    found = reply.get_json()
    assert found["issuer"] == "http://wharf.test/auth"
    assert found["token_endpoint"] == "http://wharf.test/auth/oauth/token"
    assert found["jwks_uri"] == "http://wharf.test/.well-known/jwks.json"
    assert {
        "client_credentials",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:token-exchange",
    } <= set(found["grant_types_supported"])
    assert "none" in found["token_endpoint_auth_methods_supported"]
    assert "none" not in found["revocation_endpoint_auth_methods_supported"]
    assert "evil" not in reply.text


def test_metadata_of_another_issuer_is_not_found(auth: AuthService) -> None:
    """A request for the metadata at another issuer's path gets 404."""
    reply = auth.app.test_client().get("/.well-known/oauth-authorization-server/other")
    assert reply.status_code == 404


def test_health(auth: AuthService) -> None:
    """The health and readiness checks need no token."""
    client = auth.app.test_client()
    assert client.get("/auth/healthz").get_json() == {"status": "ok"}
    assert client.get("/auth/readyz").get_json() == {"status": "ready"}


def test_not_ready_without_tables(auth_settings: Settings) -> None:
    """If the database has no tables, the readiness check fails and names the database."""
    file = auth_settings.data / "auth" / "auth.db"
    file.unlink()
    reply = create_app(auth_settings).test_client().get("/auth/readyz")
    assert reply.status_code == 503
    assert list(reply.get_json()["down"]) == ["database"]


def test_metrics_are_for_the_internal_port(auth: AuthService) -> None:
    """`/metrics` is served on the internal port only; a client's header field does not open it."""
    client = auth.app.test_client()
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", headers={"Wharf-Internal": "1"}).status_code == 404
    auth.post_token()
    reply = client.get("/metrics", environ_overrides={"WHARF_INTERNAL": "1"})
    assert reply.status_code == 200
    assert 'wharf_auth_tokens_issued_total{grant="client_credentials"}' in reply.text


def test_openapi_describes_every_route(auth: AuthService) -> None:
    """The OpenAPI document describes each route."""
    reply = auth.app.test_client().get("/auth/openapi.json")
    document = reply.get_json()
    assert document["openapi"] == "3.1.0"
    undocumented = {"/auth/healthz", "/auth/readyz", "/metrics", "/auth/openapi.json"}
    undocumented.add("/auth/internal/feed")
    for rule in auth.app.url_map.iter_rules():
        path = re.sub(r"<(\w+:)?(\w+)>", r"{\2}", rule.rule)
        assert path in document["paths"] or path in undocumented, rule


def test_openapi_says_what_is_public(auth: AuthService) -> None:
    """The OpenAPI document names the scope of an administrative route, and no token for a public
    route.
    """
    paths = json.loads(auth.app.test_client().get("/auth/openapi.json").data)["paths"]
    create = paths["/auth/v1/tenants"]["post"]
    assert create["x-required-scope"] == "tenants:admin"
    assert "401" in create["responses"]
    keys = paths["/.well-known/jwks.json"]["get"]
    assert "security" not in keys
    assert "401" not in keys["responses"]


def test_unknown_routes_need_a_token_or_are_not_found(auth: AuthService) -> None:
    """A request to an undeclared path gets 404."""
    for path in ("/", "/auth", "/auth/", "/auth/v1", "/v1/files/a", "/.well-known/", "/auth/v2/x"):
        assert auth.app.test_client().get(path).status_code == 404, path
