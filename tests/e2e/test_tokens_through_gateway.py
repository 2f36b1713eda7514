"""Tokens as the gateway passes them on, in memory, spooled, or to Flask (rows 49 to 60).

Row numbers are those of the tables in docs/security.md.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.servers.wharf.api_client import LARGE, SMALL, Answer, ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.multipart_body import file_part
from tests.servers.wharf.raw_http import until
from tests.servers.wharf.tenants import Signer, Tenants
from tests.servers.wharf.traces import nothing_stored

# Every kind of request in which Wharf verifies a token.
WAYS: dict[str, Callable[[ApiClient], Answer]] = {
    "put-in-memory": lambda api: api.put("token", SMALL),
    "put-spooled": lambda api: api.put("token", LARGE),
    "put-chunked": lambda api: api.put("token", iter([SMALL])),
    "form": lambda api: api.post(file_part("token")),
    "get": lambda api: api.file("token"),
    "delete": lambda api: api.delete("token"),
    "list": lambda api: api.get("/v1/files/default"),
    "metadata": lambda api: api.get("/v1/metadata/default/token"),
    "buckets": lambda api: api.send_json("PUT", "/v1/buckets/token", {}),
}
NOW = int(time.time())


def part(content: object) -> str:
    """Return JSON, encoded as a part of a token."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def unsigned(signer: Signer) -> str:
    """Return a token with the algorithm `none`."""
    header = {"alg": "none", "typ": "at+jwt", "kid": signer.kid}
    return f"{part(header)}.{part(signer.claims())}."


def with_public_key_as_secret(signer: Signer) -> str:
    """Return a token that is signed with HS256 and the public key as its secret."""
    private = serialization.load_pem_private_key(signer.pem, None)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header = {"alg": "HS256", "typ": "at+jwt", "kid": signer.kid}
    signed = f"{part(header)}.{part(signer.claims())}".encode()
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    mac = base64.urlsafe_b64encode(algorithm.sign(signed, public)).rstrip(b"=")
    return (signed + b"." + mac).decode()


def of_another_issuer(signer: Signer) -> str:
    """Return a token with the right key id that is signed with another key."""
    other = rsa.generate_private_key(65537, 2048)
    return jwt.encode(signer.claims(), other, "RS256", {"typ": "at+jwt", "kid": signer.kid})


def changed(signer: Signer) -> str:
    """Return a token whose claims were changed after signing."""
    header, _, signature = signer.token().split(".")
    return f"{header}.{part(signer.claims(tid='demo'))}.{signature}"


TOKENS: dict[str, tuple[str, Callable[[Signer], str | None]]] = {
    "none": ("token-missing", lambda _: None),
    "expired": ("token-expired", lambda s: s.token(iat=NOW - 2000, exp=NOW - 1000)),
    "gibberish": ("token-malformed", lambda _: "gibberish"),
    "two-parts": ("token-malformed", lambda _: "a.b"),
    "unsigned": ("token-malformed", unsigned),
    "public-key-as-secret": ("token-malformed", with_public_key_as_secret),
    "wrong-signature": ("token-signature", of_another_issuer),
    "changed": ("token-signature", changed),
    "unknown-key": ("token-signature", lambda s: s.token({"kid": "../../x"})),
    "key-url": ("token-malformed", lambda s: s.token({"kid": None, "jku": "http://127.0.0.1:1/"})),
    "crit": ("token-malformed", lambda s: s.token({"crit": ["x"], "x": 1})),
    "wrong-type": ("token-malformed", lambda s: s.token({"typ": "JWT"})),
    "wrong-audience": ("token-malformed", lambda s: s.token(aud="auth")),
    "wrong-issuer": ("token-malformed", lambda s: s.token(iss="http://evil.example/auth")),
    "no-tenant": ("token-malformed", lambda s: s.token(tid=None)),
    "no-expiry": ("token-malformed", lambda s: s.token(exp=None)),
    "far-expiry": ("token-malformed", lambda s: s.token(exp=NOW + 10 * 365 * 86400)),
    "padded": ("token-malformed", lambda s: s.token() + "="),
    "long": ("token-malformed", lambda s: s.token(padding="x" * 7000)),
}


@pytest.mark.parametrize("kind", TOKENS)
def test_bad_tokens(wharf: Wharf, api: ApiClient, signer: Signer, kind: str) -> None:
    """A bad or missing token gets the same problem and challenge in every kind of request."""
    slug, make = TOKENS[kind]
    bad = api.using(make(signer))
    with nothing_stored(wharf, api.tenant):
        answers = {way: send(bad) for way, send in WAYS.items()}
    for way, answer in answers.items():
        assert (way, answer.status, answer.slug) == (way, 401, slug)
        challenge = answer.header("WWW-Authenticate")
        assert challenge.startswith('Bearer realm="wharf"')
        # RFC 6750 section 3.1: a request without a credential gets no error code.
        assert ('error="invalid_token"' in challenge) == (slug != "token-missing")
        assert answer.header("Cache-Control") == "no-store"


def test_kinds_differ() -> None:
    """A missing, an expired, a malformed and a wrongly signed token are four different problems."""
    assert len({slug for slug, _ in TOKENS.values()}) == 4


@pytest.mark.parametrize("way", WAYS)
def test_other_schemes_are_malformed(api: ApiClient, way: str) -> None:
    """Other credentials in place of a bearer token get the problem `token-malformed`."""
    for value in ("Basic d2hhcmY6eA==", api.token or "", "Bearer", "Bearer  ", "Bearer a b"):
        answer = WAYS[way](Authorized(api.port, value))
        answer.problem(401, "token-malformed")


class Authorized(ApiClient):
    """A client whose `token` is the value of the whole field."""

    def request(self, method: str, target: str, body: Any = None, headers: Any = None) -> Answer:
        """Send the field unchanged."""
        fields = {**(headers or {}), "Authorization": self.token or ""}
        return ApiClient(self.port).request(method, target, body, fields)


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_scheme_has_no_case(api: ApiClient, scheme: str) -> None:
    """The scheme may be in upper or lower case, with several blanks after it (RFC 9110 section
    11.1).
    """
    answer = Authorized(api.port, f"{scheme} {api.token}").get("/v1/usage")
    assert answer.status == 200


def test_leeway_is_a_minute_at_most(api: ApiClient, signer: Signer) -> None:
    """A token is still valid five seconds after its expiry, and no longer valid after
    two minutes.
    """
    assert api.using(signer.token(exp=int(time.time()) - 5)).get("/v1/usage").status == 200
    late = signer.token(iat=int(time.time()) - 900, exp=int(time.time()) - 120)
    api.using(late).get("/v1/usage").problem(401, "token-expired")


def test_a_token_names_one_tenant(api: ApiClient, signer: Signer) -> None:
    """A token lists only its tenant's files; its subject makes no difference."""
    api.stored("file")
    same_subject = signer.client(sub="someone")
    assert same_subject.listed() == []
    assert signer.client(tid=api.tenant, sub="someone").listed() == ["file"]


def test_a_suspended_tenant_gets_no_token(tenants: Tenants, wharf: Wharf) -> None:
    """Row 60, in auth: a suspended tenant's client gets no token until the tenant is resumed."""
    tenant = tenants.tenant().tenant
    made = tenants.admin.send_json(
        "POST", f"/auth/v1/tenants/{tenant}/clients", {"name": "x", "scopes": ["files:read"]}
    ).json()
    anyone = ApiClient(wharf.port)
    for action, status in (("suspend", 400), ("resume", 200)):
        target = f"/auth/v1/tenants/{tenant}/{action}"
        assert tenants.admin.request("POST", target, b"").status == 204
        login = anyone.login(made["client_id"], made["client_secret"])
        assert login.status == status
        assert login.json().get("error") == ("unauthorized_client" if status == 400 else None)


def test_files_tokens_do_not_administer(api: ApiClient, tenants: Tenants) -> None:
    """A token for files cannot create tenants; an administrator's token reads usage and tenants."""
    answer = api.send_json("POST", "/auth/v1/tenants", {"tenant": "mine"})
    assert answer.status in (401, 403)
    assert tenants.admin.get("/v1/usage").status == 200
    assert tenants.admin.get("/auth/v1/tenants").status == 200


def test_the_published_keys(wharf: Wharf) -> None:
    """Row 63: the key set has only public members, and the private key's file has mode 0600."""
    keys = ApiClient(wharf.port).get("/.well-known/jwks.json").json()["keys"]
    assert keys
    for key in keys:
        assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}
    for path in (wharf.data / "auth" / "keys").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600


def test_unknown_keys_cost_one_fetch(wharf: Wharf, api: ApiClient, signer: Signer) -> None:
    """Row 52: a hundred unknown key ids make the service fetch the keys at most once."""

    def fetches() -> int:
        wanted = "/.well-known/jwks.json"
        return sum(line["path"] == wanted and "urllib" in line["user_agent"]
                   for line in wharf.log_lines("access"))  # fmt: skip

    before = fetches()
    for number in range(100):
        stranger = api.using(signer.token({"kid": f"unknown-{number}"}))
        stranger.get("/v1/usage").problem(401, "token-signature")
    # The access log is in order. If it has a later request, it has all earlier ones.
    marker = {"X-Request-Id": f"marker-{NOW}-{before}"}
    api.get("/v1/usage", marker)
    assert until(lambda: marker["X-Request-Id"] in wharf.log("access"))
    assert fetches() - before <= 1
