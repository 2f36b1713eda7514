"""`POST /auth/oauth/token` for programs (RFC 6749)."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from urllib.parse import quote

import jwt
import pytest
from werkzeug.test import TestResponse

from servicekit.tokens import MalformedToken, Verifier
from tests.servers.auth import ISSUER, TOKEN, AuthService
from wharf_auth.domain import clients, secrets
from wharf_auth.domain.clock import milliseconds
from wharf_auth.records.base import Client
from wharf_auth.signing import KeyRing

GRANT = {"grant_type": "client_credentials"}


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def refused(reply: TestResponse, status: int, error: str) -> str:
    """Checks an error of RFC 6749 section 5.2; its description."""
    assert reply.status_code == status
    assert reply.content_type == "application/json"
    assert reply.headers["Cache-Control"] == "no-store"
    body = reply.get_json()
    assert set(body) == {"error", "error_description"}
    assert body["error"] == error
    return str(body["error_description"])


def test_client_gets_a_token(auth: AuthService) -> None:
    """Id and secret by HTTP Basic give a bearer token with all scopes of the client."""
    reply = auth.post_token()
    assert reply.status_code == 200
    assert reply.headers["Cache-Control"] == "no-store"
    body = reply.get_json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
    assert body["scope"] == "files:read files:write files:delete buckets:admin"


def test_token_is_an_access_token_of_rfc_9068(auth: AuthService) -> None:
    """Header and claims are exactly those of the design."""
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
    """What auth signs, servicekit verifies."""
    keys = KeyRing(auth.settings.keys_directory)
    verifier = Verifier(keys, issuer=ISSUER, audience="upload", clock=auth.clock)
    for client, tenant in (("demo", "demo"), ("admin", "wharf-admin")):
        token = auth.post_token(client=client).get_json()["access_token"]
        assert verifier.verify(token).tenant == tenant


def test_ordinary_tokens_are_not_for_auth(auth: AuthService) -> None:
    """Only a token with `tenants:admin` names auth among its audiences."""
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
    """Each token has an id of its own."""
    tokens = {auth.post_token().get_json()["access_token"] for _ in range(2)}
    assert len(tokens) == 2


# client authentication


def test_form_authentication(auth: AuthService) -> None:
    """Id and secret may come in the form instead."""
    entry = auth.credentials["demo"]
    reply = auth.app.test_client().post(
        TOKEN,
        data={**GRANT, "client_id": entry.client_id, "client_secret": entry.client_secret},
    )
    assert reply.status_code == 200


def test_basic_is_percent_decoded(auth: AuthService) -> None:
    """RFC 6749 section 2.3.1: id and secret are percent-encoded inside HTTP Basic."""
    entry = auth.credentials["demo"]
    encoded = "".join(f"%{ord(character):02x}" for character in entry.client_secret)
    headers = basic(f"{quote(entry.client_id).replace('-', '%2D')}:{encoded}")
    assert auth.app.test_client().post(TOKEN, data=GRANT, headers=headers).status_code == 200


def test_basic_may_be_raw(auth: AuthService) -> None:
    """Many clients do not encode; a secret that holds `%`, `+` and `:` works for them too."""
    secret = "p%41ss+word:with all sorts of 100% characters"
    now = milliseconds(auth.clock)
    auth.records.add_client(
        Client("odd", "demo", "odd", ("files:read",), now),
        clients.new_secret(secret, secrets.Hasher(), now),
    )
    for text in (f"odd:{secret}", f"odd:{quote(secret, safe='')}"):
        reply = auth.app.test_client().post(TOKEN, data=GRANT, headers=basic(text))
        assert reply.status_code == 200, text


def test_scheme_is_case_insensitive(auth: AuthService) -> None:
    """`basic` is `Basic`."""
    entry = auth.credentials["demo"]
    value = basic(f"{entry.client_id}:{entry.client_secret}")["Authorization"]
    headers = {"Authorization": value.replace("Basic", "bASIC")}
    assert auth.app.test_client().post(TOKEN, data=GRANT, headers=headers).status_code == 200


def test_two_methods_at_once_are_refused(auth: AuthService) -> None:
    """RFC 6749 section 2.3: not more than one method in a request."""
    entry = auth.credentials["demo"]
    form = {"client_id": entry.client_id, "client_secret": entry.client_secret}
    refused(auth.post_token(form), 400, "invalid_request")


def test_bare_client_id_beside_basic_is_fine_when_it_agrees(auth: AuthService) -> None:
    """Many libraries repeat the id in the form; another client's id is refused."""
    assert auth.post_token({"client_id": "wharf-demo"}).status_code == 200
    refused(auth.post_token({"client_id": "wharf-admin"}), 400, "invalid_request")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Basic"},
        {"Authorization": "Basic ###"},
        {"Authorization": "Basic " + base64.b64encode(b"nocolon").decode()},
        {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe:x").decode()},
        {"Authorization": "Bearer abc.def.ghi"},
        basic("wharf-demo:"),
        basic(":"),
        basic("wharf-demo:a\0b"),
        basic("wharf-demo\0:secret"),
        basic("w" * 5000 + ":secret"),
        basic("wharf-demo:" + "s" * 5000),
        basic("🦊:日本語"),
    ],
)
def test_bad_credentials_are_401_with_a_challenge(
    auth: AuthService, headers: dict[str, str]
) -> None:
    """Whatever is in the header, the answer is `invalid_client`, never an error of ours."""
    reply = auth.app.test_client().post(TOKEN, data=GRANT, headers=headers)
    refused(reply, 401, "invalid_client")
    assert reply.headers["WWW-Authenticate"].startswith("Basic ")


def test_unknown_client_and_wrong_secret_look_the_same(auth: AuthService) -> None:
    """Nobody learns which clients exist or are disabled: status, headers and body are equal."""
    auth.records.disable("wharf-admin", "wharf-admin", 1)
    admin = auth.credentials["admin"]
    client = auth.app.test_client()
    replies = [
        client.post(TOKEN, data=GRANT, auth=("nobody", "x" * 43)),
        client.post(TOKEN, data=GRANT, auth=("wharf-demo", "x" * 43)),
        client.post(TOKEN, data=GRANT, auth=(admin.client_id, admin.client_secret)),
    ]
    for reply in replies:
        reply.headers.pop("X-Request-Id")
        refused(reply, 401, "invalid_client")
    assert len({(str(reply.headers), reply.data) for reply in replies}) == 1


def test_unknown_client_and_wrong_secret_cost_the_same(auth: AuthService) -> None:
    """Each failed login verifies exactly one hash, so the time tells nothing either."""
    hasher = secrets.Hasher()
    good = auth.credentials["demo"].client_secret
    hint = good[-secrets.HINT_CHARACTERS :]

    def spent(identifier: str, secret: str) -> float:
        started = time.perf_counter()
        with pytest.raises(clients.LoginRefused):
            clients.authenticate(auth.records, hasher, [(identifier, secret)])
        return time.perf_counter() - started

    cases: dict[str, Callable[[], float]] = {
        "unknown": lambda: spent("nobody", "x" * 43),
        "wrong": lambda: spent("wharf-demo", "x" * 43),
        "wrong with the right end": lambda: spent("wharf-demo", "x" * 39 + hint),
    }
    # In turns, and the best of each: a busy machine disturbs all cases alike.
    rounds = [{name: call() for name, call in cases.items()} for _ in range(7)]
    best = [min(one[name] for one in rounds) for name in cases]
    assert max(best) < 1.4 * min(best), best


def test_both_live_secrets_work(auth: AuthService) -> None:
    """During a change of secrets the old one and the new one are good, a retired one is not."""
    now = milliseconds(auth.clock)
    kept, fresh = clients.add_secret(
        auth.records, secrets.Hasher(), auth.clock, "demo", "wharf-demo"
    )
    assert auth.post_token().status_code == 200
    assert auth.post_token(secret=fresh).status_code == 200
    auth.records.retire_secret("demo", "wharf-demo", kept.id, now)
    assert auth.post_token(secret=fresh).status_code == 401
    assert auth.post_token().status_code == 200


def test_disabled_client_gets_no_token(auth: AuthService) -> None:
    """A disabled client is no client any more."""
    auth.records.disable("demo", "wharf-demo", 1)
    refused(auth.post_token(), 401, "invalid_client")


def test_suspended_tenant_gets_no_token(auth: AuthService) -> None:
    """Whoever has proven to belong to the tenant learns why; others do not."""
    auth.records.suspend("demo", 1)
    assert "suspended" in refused(auth.post_token(), 400, "unauthorized_client")
    refused(auth.post_token(secret="wrong"), 401, "invalid_client")
    auth.records.resume("demo")
    assert auth.post_token().status_code == 200


# the request


@pytest.mark.parametrize("scope", ["files:read", "files:write files:read", " files:read  "])
def test_scope_narrows(auth: AuthService, scope: str) -> None:
    """A token may ask for less than the client has."""
    body = auth.post_token({"scope": scope}).get_json()
    assert set(body["scope"].split()) == set(scope.split())
    claims = jwt.decode(body["access_token"], options={"verify_signature": False})
    assert claims["scope"] == body["scope"]


def test_empty_scope_means_all(auth: AuthService) -> None:
    """RFC 6749 section 3.1: a parameter without a value counts as left out."""
    assert len(auth.post_token({"scope": ""}).get_json()["scope"].split()) == 4


@pytest.mark.parametrize(
    "scope", ["tenants:admin", "files:read tenants:admin", "nonsense", "files:read\ttenants:admin"]
)
def test_scope_never_widens(auth: AuthService, scope: str) -> None:
    """Asking for a scope that the client lacks gives nothing at all."""
    refused(auth.post_token({"scope": scope}), 400, "invalid_scope")


@pytest.mark.parametrize("grant", ["password", "refresh_token", "authorization_code", "x"])
def test_other_grants_are_refused(auth: AuthService, grant: str) -> None:
    """What is not offered is said to be so."""
    refused(auth.post_token({"grant_type": grant}), 400, "unsupported_grant_type")


def test_grant_type_is_required(auth: AuthService) -> None:
    """RFC 6749 section 4.4.2."""
    refused(auth.post_token({"grant_type": ""}), 400, "invalid_request")


@pytest.mark.parametrize("name", ["grant_type", "scope", "client_id"])
def test_repeated_parameters_are_refused(auth: AuthService, name: str) -> None:
    """RFC 6749 section 3.2: parameters must not come more than once."""
    entry = auth.credentials["demo"]
    reply = auth.app.test_client().post(
        TOKEN,
        data=f"grant_type=client_credentials&{name}=wharf-demo&{name}=wharf-demo",
        content_type="application/x-www-form-urlencoded",
        auth=(entry.client_id, entry.client_secret),
    )
    refused(reply, 400, "invalid_request")


def test_parameters_in_the_query_do_not_count(auth: AuthService) -> None:
    """Credentials in an address end up in logs: they are not read."""
    entry = auth.credentials["demo"]
    reply = auth.app.test_client().post(
        f"{TOKEN}?client_id={entry.client_id}&client_secret={entry.client_secret}", data=GRANT
    )
    refused(reply, 401, "invalid_client")


def test_json_is_no_form(auth: AuthService) -> None:
    """A JSON body holds no parameters."""
    reply = auth.app.test_client().post(TOKEN, json=dict(GRANT))
    assert reply.status_code in {400, 401}
    assert "error" in reply.get_json()


@pytest.mark.parametrize(("method", "status"), [("GET", 405), ("PUT", 405), ("DELETE", 405)])
def test_other_methods_are_refused(auth: AuthService, method: str, status: int) -> None:
    """RFC 6749 section 3.2: POST only."""
    reply = auth.app.test_client().open(TOKEN, method=method)
    assert reply.status_code == status
    assert "POST" in reply.headers["Allow"]


def test_large_bodies_are_refused(auth: AuthService) -> None:
    """A form of a megabyte is refused unread, with OAuth's members for OAuth's clients."""
    reply = auth.app.test_client().post(TOKEN, data={**GRANT, "scope": "x" * 1_000_000})
    assert reply.status_code == 413
    assert reply.get_json()["error"] == "invalid_request"


def test_database_down_is_503(auth: AuthService) -> None:
    """No login without the database; the client is told when to come back."""
    file = auth.settings.data / "auth" / "auth.db"
    file.unlink()
    file.mkdir()
    reply = auth.post_token()
    assert reply.status_code == 503
    assert reply.get_json()["error"] == "temporarily_unavailable"
    assert reply.headers["Retry-After"]
