"""Authlib and joserfc, which know nothing of Wharf, against `auth` through the gateway.

Row numbers are those of the tables in docs/security.md.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import KeySet

from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.tenants import Tenants

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
PASSWORD = "a long password"
SCOPES = ["files:read", "files:write"]
# Authlib's type stubs lack some methods.
Session = Callable[..., Any]


@pytest.fixture(scope="module")
def metadata(wharf: Wharf) -> dict[str, Any]:
    """Return the metadata that a client gets from the issuer alone (RFC 8414 section 3)."""
    url = get_well_known_url(f"{wharf.url}/auth", external=True)
    found: dict[str, Any] = requests.get(url, timeout=5).json()
    return found


@pytest.fixture(scope="module")
def made(tenants: Tenants) -> dict[str, Any]:
    """Create a tenant with a client and a person."""
    tenant = tenants.tenant().tenant
    base = f"/auth/v1/tenants/{tenant}"
    client = tenants.admin.send_json("POST", f"{base}/clients", {"name": "app", "scopes": SCOPES})
    user = {"username": "ann", "role": "editor", "password": PASSWORD}
    assert tenants.admin.send_json("POST", f"{base}/users", user).status == 201
    return {"tenant": tenant, **client.json()}


@pytest.fixture
def session(metadata: dict[str, Any], made: dict[str, Any]) -> Iterator[Session]:
    """Return a function that makes OAuth sessions of the client."""
    opened: list[Any] = []

    def make(method: str = "client_secret_basic", **more: Any) -> Any:
        opened.append(
            OAuth2Session(
                made["client_id"],
                made["client_secret"],
                token_endpoint_auth_method=method,
                revocation_endpoint_auth_method=method,
                token_endpoint=metadata["token_endpoint"],
                **more,
            )
        )
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def test_metadata(metadata: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Authlib accepts the metadata, which lists every grant and endpoint."""
    # This Wharf uses plain HTTP.
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    # Wharf has no authorization endpoint and thus no response type. RFC 8414 requires an empty
    # list, which Authlib treats as a missing list.
    AuthorizationServerMetadata({**metadata, "response_types_supported": ["none"]}).validate()
    assert metadata["response_types_supported"] == []
    assert {"client_credentials", "refresh_token", EXCHANGE} <= set(
        metadata["grant_types_supported"]
    )
    for name in ("token", "revocation", "introspection"):
        assert metadata[f"{name}_endpoint"].startswith(metadata["issuer"])


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_client_credentials(
    wharf: Wharf, session: Session, metadata: dict[str, Any], made: dict[str, Any], method: str
) -> None:
    """Both ways to authenticate a client return a token that can upload."""
    assert method in metadata["token_endpoint_auth_methods_supported"]
    token = session(method, scope="files:write").fetch_token(grant_type="client_credentials")
    assert (token["token_type"], token["scope"]) == ("Bearer", "files:write")
    assert "refresh_token" not in token
    api = ApiClient(wharf.port, token["access_token"], made["tenant"])
    assert api.put("by-authlib").status == 201


def test_a_session_uses_its_token(wharf: Wharf, session: Session) -> None:
    """Authlib sends the token in the field that `upload` reads."""
    client = session(scope="files:read")
    client.fetch_token(grant_type="client_credentials")
    assert client.get(f"{wharf.url}/v1/usage").status_code == 200


def test_refusals(session: Session, metadata: dict[str, Any], made: dict[str, Any]) -> None:
    """Authlib reports a wrong secret and an excessive scope as the right OAuth errors."""
    with pytest.raises(OAuthError) as caught:
        session(scope="tenants:admin").fetch_token(grant_type="client_credentials")
    assert caught.value.error == "invalid_scope"
    with (
        OAuth2Session(made["client_id"], "wrong") as wrong,
        pytest.raises(OAuthError) as caught,
    ):
        wrong.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    assert caught.value.error == "invalid_client"


def test_token_exchange(wharf: Wharf, session: Session, made: dict[str, Any]) -> None:
    """A token exchange (RFC 8693) by Authlib returns a ticket that uploads only into its prefix."""
    client = session()
    own = client.fetch_token(grant_type="client_credentials")["access_token"]
    ticket = client.fetch_token(
        grant_type=EXCHANGE,
        subject_token=own,
        subject_token_type=ACCESS_TOKEN,
        ticket=json.dumps({"bucket": "default", "prefix": "in/"}),
    )
    assert ticket["issued_token_type"] == ACCESS_TOKEN
    api = ApiClient(wharf.port, ticket["access_token"], made["tenant"])
    assert api.put("in/a").status == 201
    api.put("out/a").problem(403, "ticket-refused")


def test_refresh(wharf: Wharf, made: dict[str, Any], metadata: dict[str, Any]) -> None:
    """Row 61: Authlib refreshes, and then uses the new refresh token.

    Reuse of the old refresh token ends the session.
    """
    person = {"tenant": made["tenant"], "username": "ann", "password": PASSWORD}
    login = ApiClient(wharf.port).send_json(
        "POST", "/auth/login", {**person, "refresh_token": "body"}
    )
    first = login.json()
    with OAuth2Session(token_endpoint_auth_method="none", token=first) as client:
        second = client.refresh_token(metadata["token_endpoint"], first["refresh_token"])
        assert client.token["refresh_token"] == second["refresh_token"] != first["refresh_token"]
        assert client.get(f"{wharf.url}/v1/usage").status_code == 200
        with pytest.raises(OAuthError) as caught:
            client.refresh_token(metadata["token_endpoint"], first["refresh_token"])
        assert caught.value.error == "invalid_grant"
        with pytest.raises(OAuthError) as caught:
            client.refresh_token(metadata["token_endpoint"], second["refresh_token"])
        assert caught.value.error == "invalid_grant"


def test_revocation_and_introspection(session: Session, metadata: dict[str, Any]) -> None:
    """Introspection (RFC 7662) describes a valid token; a revoked token is only inactive."""
    client = session(scope="files:read")
    token = client.fetch_token(grant_type="client_credentials")["access_token"]
    before = client.introspect_token(metadata["introspection_endpoint"], token=token).json()
    assert (before["active"], before["scope"]) == (True, "files:read")
    revoked = client.revoke_token(metadata["revocation_endpoint"], token=token)
    assert revoked.status_code == 200
    after = client.introspect_token(metadata["introspection_endpoint"], token=token).json()
    assert after == {"active": False}
    # RFC 7009 section 2.2: revoking an unknown token is no error.
    assert client.revoke_token(metadata["revocation_endpoint"], token="x").status_code == 200


def test_verification(session: Session, metadata: dict[str, Any], made: dict[str, Any]) -> None:
    """joserfc verifies a token with the published keys, and refuses a changed token."""
    token = session().fetch_token(grant_type="client_credentials")["access_token"]
    keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=5).json())
    found = jwt.decode(token, keys, algorithms=["RS256"])
    jwt.JWTClaimsRegistry(
        now=int(time.time()),
        leeway=5,
        iss={"essential": True, "value": metadata["issuer"]},
        aud={"essential": True, "value": "upload"},
        exp={"essential": True},
    ).validate(found.claims)
    assert (found.header["typ"], found.claims["tid"]) == ("at+jwt", made["tenant"])
    head, body, signature = token.split(".")
    with pytest.raises(BadSignatureError):
        jwt.decode(f"{head}.{body}.{signature[::-1]}", keys, algorithms=["RS256"])


def test_another_tenants_token(
    session: Session, metadata: dict[str, Any], tenants: Tenants
) -> None:
    """Row 67: a client can neither inspect nor revoke another tenant's token."""
    other = tenants.tenant()
    client = session()
    told = client.introspect_token(metadata["introspection_endpoint"], token=other.token).json()
    assert told == {"active": False}
    revoked = client.revoke_token(metadata["revocation_endpoint"], token=other.token)
    assert revoked.status_code == 200
    assert client.revoke_token(metadata["revocation_endpoint"], token="x").text == revoked.text
    assert other.get("/v1/usage").status == 200
