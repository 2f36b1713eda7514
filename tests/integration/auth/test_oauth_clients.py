"""Foreign libraries against auth's token endpoint, and Wharf's verifier against
auth's keys, over HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.jwk import KeySet

from servicekit.jwks import Fetcher, KeyFile
from servicekit.tokens import Verifier
from tests.servers.auth import AuthService
from tests.servers.web import serving_app
from wharf_auth.app import create_app


@pytest.fixture
def live(auth: AuthService) -> Iterator[str]:
    """Serve auth over HTTP without a gateway, and yield the URL, with which the issuer's name
    begins.
    """
    with serving_app(lambda url: create_app(replace(auth.settings, issuer=f"{url}/auth"))) as url:
        yield url


@pytest.fixture
def metadata(live: str) -> dict[str, object]:
    """Return the metadata that a client finds from the issuer alone (RFC 8414 section 3)."""
    found: dict[str, object] = requests.get(
        f"{live}/.well-known/oauth-authorization-server/auth", timeout=5
    ).json()
    return found


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlib_gets_tokens(auth: AuthService, metadata: dict[str, object], method: str) -> None:
    """Authlib gets tokens with both methods of client authentication."""
    assert method in metadata["token_endpoint_auth_methods_supported"]  # type: ignore[operator]
    entry = auth.credentials["demo"]
    client = OAuth2Session(
        entry.client_id,
        entry.client_secret,
        token_endpoint_auth_method=method,
        scope="files:read",
    )
    with client:
        token = client.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    assert token["token_type"] == "Bearer"
    assert token["scope"] == "files:read"
    assert token["expires_in"] == 900


def test_authlib_understands_refusals(auth: AuthService, metadata: dict[str, object]) -> None:
    """Authlib raises the right error for a wrong secret and for a wrong scope."""
    entry = auth.credentials["demo"]
    for secret, scope, error in (
        ("wrong", "files:read", "invalid_client"),
        (entry.client_secret, "tenants:admin", "invalid_scope"),
    ):
        with (
            OAuth2Session(entry.client_id, secret, scope=scope) as client,
            pytest.raises(OAuthError) as caught,
        ):
            client.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
        assert caught.value.error == error


def test_authlib_understands_the_throttle(auth: AuthService, metadata: dict[str, object]) -> None:
    """Too many failures raise an error in Authlib and give no token."""
    errors = []
    for _ in range(auth.settings.login_free_failures + 1):
        with (
            OAuth2Session("wharf-demo", "wrong") as client,
            pytest.raises(OAuthError) as caught,
        ):
            client.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
        errors.append(caught.value.error)
    assert errors[-2:] == ["invalid_client", "temporarily_unavailable"]


def test_another_library_verifies_our_tokens(
    auth: AuthService, live: str, metadata: dict[str, object]
) -> None:
    """joserfc verifies a token of auth with the published keys only."""
    entry = auth.credentials["demo"]
    with OAuth2Session(entry.client_id, entry.client_secret) as client:
        token = client.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    keys = KeySet.import_key_set(requests.get(str(metadata["jwks_uri"]), timeout=5).json())
    found = jwt.decode(token["access_token"], keys, algorithms=["RS256"])
    registry = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": f"{live}/auth"},
        aud={"essential": True, "value": "upload"},
        exp={"essential": True},
    )
    registry.validate(found.claims)
    assert found.header["typ"] == "at+jwt"


def test_our_verifier_fetches_our_keys(
    auth: AuthService, live: str, metadata: dict[str, object], tmp_path: Path
) -> None:
    """Wharf's verifier accepts a token after it fetches the key set into a file, as
    the upload service does.
    """
    entry = auth.credentials["admin"]
    with OAuth2Session(entry.client_id, entry.client_secret) as client:
        token = client.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    path = tmp_path / "jwks.json"
    Fetcher(str(metadata["jwks_uri"]), path).fetch()
    verifier = Verifier(KeyFile(path), issuer=f"{live}/auth", audience="upload")
    assert verifier.verify(token["access_token"]).tenant == "wharf-admin"
