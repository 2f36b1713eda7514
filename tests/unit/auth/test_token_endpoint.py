"""`POST /auth/oauth/token` for clients (RFC 6749)."""

from __future__ import annotations

import jwt
import pytest

from servicekit.tokens import MalformedToken, Verifier
from tests.servers.auth import ISSUER, TOKEN, AuthService, refused
from wharf_auth.signing import KeyRing

GRANT = {"grant_type": "client_credentials"}


def test_client_gets_a_token(auth: AuthService) -> None:
    """A client that authenticates by HTTP Basic gets a bearer token with all its scopes."""
    reply = auth.post_token()
    assert reply.status_code == 200
    assert reply.headers["Cache-Control"] == "no-store"
    body = reply.get_json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
    assert body["scope"] == "files:read files:write files:delete buckets:admin"


def test_scopes_of_a_newer_release(auth: AuthService) -> None:
    """A client or a group that has a scope of a newer release gives tokens without this scope."""
    client = "UPDATE clients SET scopes = 'files:read next:admin' WHERE id = 'wharf-demo'"
    body = {"name": "team", "scopes": ["events:read"], "grants": []}
    group = auth.admin("POST", "/tenants/demo/groups", json=body).get_json()["group_id"]
    member = f"/tenants/demo/groups/{group}/members/wharf-demo"
    assert auth.admin("PUT", member).status_code == 204
    with auth.records._database.transaction() as connection:
        connection.execute(client)
        connection.execute("UPDATE member_groups SET scopes = 'events:read next:write'")
    assert auth.post_token().get_json()["scope"] == "files:read events:read"
    refused(auth.post_token({"scope": "next:admin"}), 400, "invalid_scope")


def test_token_is_an_access_token_of_rfc_9068(auth: AuthService) -> None:
    """A token has exactly the header parameters and claims of the design."""
    token = auth.post_token().get_json()["access_token"]
    header = jwt.get_unverified_header(token)
    claims = jwt.decode(token, options={"verify_signature": False})
    kid = KeyRing(auth.settings.keys_directory).signing_key().kid
    assert header == {"alg": "RS256", "typ": "at+jwt", "kid": kid}
    assert set(claims) == {"iss", "sub", "aud", "tid", "scope", "iat", "exp", "jti"}
    assert claims["iss"] == ISSUER
    assert (claims["sub"], claims["tid"], claims["aud"]) == ("wharf-demo", "demo", "upload")
    assert claims["iat"] == int(auth.clock())
    assert claims["exp"] - claims["iat"] == 900


def test_verifier_of_the_upload_service_takes_the_token(auth: AuthService) -> None:
    """The verifier of servicekit accepts the tokens of auth."""
    keys = KeyRing(auth.settings.keys_directory)
    verifier = Verifier(keys, issuer=ISSUER, audience="upload", clock=auth.clock)
    for client, tenant in (("demo", "demo"), ("admin", "wharf-admin")):
        token = auth.post_token(client=client).get_json()["access_token"]
        assert verifier.verify(token).tenant == tenant


def test_ordinary_tokens_are_not_for_auth(auth: AuthService) -> None:
    """A client's token has auth as an audience only with the scope `tenants:admin`."""
    keys = KeyRing(auth.settings.keys_directory)
    verifier = Verifier(keys, issuer=ISSUER, audience="auth", clock=auth.clock)
    with pytest.raises(MalformedToken, match="audience"):
        verifier.verify(auth.post_token().get_json()["access_token"])
    narrowed = auth.post_token({"scope": "files:read"}, client="admin").get_json()
    with pytest.raises(MalformedToken, match="audience"):
        verifier.verify(narrowed["access_token"])
    admin = auth.post_token(client="admin").get_json()["access_token"]
    assert "tenants:admin" in verifier.verify(admin).scopes


def test_tokens_differ(auth: AuthService) -> None:
    """Two tokens of one client differ."""
    tokens = {auth.post_token().get_json()["access_token"] for _ in range(2)}
    assert len(tokens) == 2


@pytest.mark.parametrize("scope", ["files:read", "files:write files:read", " files:read  "])
def test_scope_narrows(auth: AuthService, scope: str) -> None:
    """A client may request fewer scopes than it has."""
    body = auth.post_token({"scope": scope}).get_json()
    assert set(body["scope"].split()) == set(scope.split())
    claims = jwt.decode(body["access_token"], options={"verify_signature": False})
    assert claims["scope"] == body["scope"]


def test_empty_scope_means_all(auth: AuthService) -> None:
    """A parameter without a value counts as omitted (RFC 6749 section 3.1)."""
    assert len(auth.post_token({"scope": ""}).get_json()["scope"].split()) == 4


@pytest.mark.parametrize(
    "scope", ["tenants:admin", "files:read tenants:admin", "nonsense", "files:read\ttenants:admin"]
)
def test_scope_never_widens(auth: AuthService, scope: str) -> None:
    """A request for a scope that the client does not have is refused."""
    refused(auth.post_token({"scope": scope}), 400, "invalid_scope")


@pytest.mark.parametrize("grant", ["password", "authorization_code", "x"])
def test_other_grants_are_refused(auth: AuthService, grant: str) -> None:
    """An unsupported grant is refused with `unsupported_grant_type`."""
    refused(auth.post_token({"grant_type": grant}), 400, "unsupported_grant_type")


def test_grant_type_is_required(auth: AuthService) -> None:
    """A request without `grant_type` is refused (RFC 6749 section 4.4.2)."""
    refused(auth.post_token({"grant_type": ""}), 400, "invalid_request")


@pytest.mark.parametrize("name", ["grant_type", "scope", "client_id"])
def test_repeated_parameters_are_refused(auth: AuthService, name: str) -> None:
    """A repeated parameter is refused (RFC 6749 section 3.2)."""
    entry = auth.credentials["demo"]
    reply = auth.app.test_client().post(
        TOKEN,
        data=f"grant_type=client_credentials&{name}=wharf-demo&{name}=wharf-demo",
        content_type="application/x-www-form-urlencoded",
        auth=(entry.client_id, entry.client_secret),
    )
    refused(reply, 400, "invalid_request")


def test_parameters_in_the_query_do_not_count(auth: AuthService) -> None:
    """Credentials in the URL's query are ignored, because URLs are logged."""
    entry = auth.credentials["demo"]
    reply = auth.app.test_client().post(
        f"{TOKEN}?client_id={entry.client_id}&client_secret={entry.client_secret}", data=GRANT
    )
    refused(reply, 401, "invalid_client")


def test_json_is_no_form(auth: AuthService) -> None:
    """A JSON body is refused with an OAuth error."""
    reply = auth.app.test_client().post(TOKEN, json=dict(GRANT))
    assert reply.status_code in {400, 401}
    assert "error" in reply.get_json()


@pytest.mark.parametrize(("method", "status"), [("GET", 405), ("PUT", 405), ("DELETE", 405)])
def test_other_methods_are_refused(auth: AuthService, method: str, status: int) -> None:
    """The endpoint accepts POST only (RFC 6749 section 3.2)."""
    reply = auth.app.test_client().open(TOKEN, method=method)
    assert reply.status_code == status
    assert "POST" in reply.headers["Allow"]


def test_large_bodies_are_refused(auth: AuthService) -> None:
    """A form of a megabyte gets 413 with the members of an OAuth error."""
    reply = auth.app.test_client().post(TOKEN, data={**GRANT, "scope": "x" * 1_000_000})
    assert reply.status_code == 413
    assert reply.get_json()["error"] == "invalid_request"


def test_database_down_is_503(auth: AuthService) -> None:
    """Without its database the endpoint responds with 503 and `Retry-After`."""
    file = auth.settings.data / "auth" / "auth.db"
    file.unlink()
    file.mkdir()
    reply = auth.post_token()
    assert reply.status_code == 503
    assert reply.get_json()["error"] == "temporarily_unavailable"
    assert reply.headers["Retry-After"]
