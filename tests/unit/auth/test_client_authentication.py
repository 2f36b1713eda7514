"""Authentication of clients at the token endpoint (RFC 6749 section 2.3)."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from argon2 import Parameters, PasswordHasher, extract_parameters

from tests.servers.auth import TOKEN, AuthService, act, refused
from wharf_auth.accounts import clients, secrets
from wharf_auth.database.contract import Client
from wharf_auth.domain.acts import Actor
from wharf_auth.domain.clock import milliseconds

GRANT = {"grant_type": "client_credentials"}


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def test_form_authentication(auth: AuthService) -> None:
    """The token endpoint accepts the client's id and secret as form fields."""
    entry = auth.credentials["demo"]
    reply = auth.app.test_client().post(
        TOKEN,
        data={**GRANT, "client_id": entry.client_id, "client_secret": entry.client_secret},
    )
    assert reply.status_code == 200


def test_basic_is_percent_decoded(auth: AuthService) -> None:
    """The token endpoint percent-decodes id and secret of HTTP Basic (RFC 6749 section 2.3.1)."""
    entry = auth.credentials["demo"]
    encoded = "".join(f"%{ord(character):02x}" for character in entry.client_secret)
    headers = basic(f"{quote(entry.client_id).replace('-', '%2D')}:{encoded}")
    assert auth.app.test_client().post(TOKEN, data=GRANT, headers=headers).status_code == 200


def test_basic_may_be_raw(auth: AuthService) -> None:
    """A secret with `%`, `+` and `:` is accepted in HTTP Basic, either percent-encoded or raw."""
    secret = "p%41ss+word:with all sorts of 100% characters"
    now = milliseconds(auth.clock)
    auth.records.add_client(
        Client("odd", "demo", "odd", ("files:read",), now),
        clients.new_secret(secret, secrets.Hasher(), now),
        act(),
    )
    for text in (f"odd:{secret}", f"odd:{quote(secret, safe='')}"):
        reply = auth.app.test_client().post(TOKEN, data=GRANT, headers=basic(text))
        assert reply.status_code == 200, text


def test_scheme_is_case_insensitive(auth: AuthService) -> None:
    """The name of the scheme `Basic` is accepted in any case."""
    entry = auth.credentials["demo"]
    value = basic(f"{entry.client_id}:{entry.client_secret}")["Authorization"]
    headers = {"Authorization": value.replace("Basic", "bASIC")}
    assert auth.app.test_client().post(TOKEN, data=GRANT, headers=headers).status_code == 200


def test_two_methods_at_once_are_refused(auth: AuthService) -> None:
    """A request that authenticates in two ways is refused (RFC 6749 section 2.3)."""
    entry = auth.credentials["demo"]
    form = {"client_id": entry.client_id, "client_secret": entry.client_secret}
    refused(auth.post_token(form), 400, "invalid_request")


def test_bare_client_id_beside_basic_is_fine_when_it_agrees(auth: AuthService) -> None:
    """A form may repeat the `client_id` of HTTP Basic; another client's id is refused."""
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
    """A malformed or wrong `Authorization` field gets 401 `invalid_client` and a challenge."""
    reply = auth.app.test_client().post(TOKEN, data=GRANT, headers=headers)
    refused(reply, 401, "invalid_client")
    assert reply.headers["WWW-Authenticate"].startswith("Basic ")


def test_unknown_client_and_wrong_secret_look_the_same(auth: AuthService) -> None:
    """Unknown client, wrong secret and disabled client get equal status, header fields and body."""
    auth.records.disable("wharf-admin", "wharf-admin", 9, act())
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


class Noting:
    """A verifier that records the argon2 parameters of each hash that it verifies."""

    def __init__(self, argon2: PasswordHasher) -> None:
        self._argon2, self.verified = argon2, list[Parameters]()

    def verify(self, kept: str, secret: str) -> bool:
        """Record the parameters of the hash, and verify the secret."""
        self.verified.append(extract_parameters(kept))
        return self._argon2.verify(kept, secret)


def test_unknown_client_and_wrong_secret_cost_the_same(auth: AuthService) -> None:
    """Each failed login verifies one hash of full cost, so all failures take equally long."""
    hasher = secrets.Hasher()
    dear = extract_parameters(hasher.hash("any"))
    good = auth.credentials["demo"].client_secret
    hint = good[-secrets.HINT_CHARACTERS :]
    for login in (
        ("nobody", "x" * 43),
        ("wharf-demo", "x" * 43),
        ("wharf-demo", "x" * 39 + hint),
    ):
        hasher._argon2 = noting = Noting(PasswordHasher())  # type: ignore[assignment]
        with pytest.raises(clients.LoginRefused):
            clients.authenticate(auth.records, hasher, [login])
        assert noting.verified == [dear], login


def test_both_live_secrets_work(auth: AuthService) -> None:
    """Both secrets of a client are valid during a change of secrets; a retired secret is not."""
    kept, fresh = clients.add_secret(
        auth.records, secrets.Hasher(), auth.clock, "demo", "wharf-demo", Actor("tester")
    )
    assert auth.post_token().status_code == 200
    assert auth.post_token(secret=fresh).status_code == 200
    auth.records.retire_secret("demo", "wharf-demo", kept.id, act())
    assert auth.post_token(secret=fresh).status_code == 401
    assert auth.post_token().status_code == 200


def test_disabled_client_gets_no_token(auth: AuthService) -> None:
    """A disabled client gets `invalid_client` and no token."""
    auth.records.disable("demo", "wharf-demo", 9, act())
    refused(auth.post_token(), 401, "invalid_client")


def test_suspended_tenant_gets_no_token(auth: AuthService) -> None:
    """A client of a suspended tenant learns of the suspension only with the right secret."""
    auth.records.suspend("demo", act(tenant="demo"))
    assert "suspended" in refused(auth.post_token(), 400, "unauthorized_client")
    refused(auth.post_token(secret="wrong"), 401, "invalid_client")
    auth.records.resume("demo", act(tenant="demo"))
    assert auth.post_token().status_code == 200
