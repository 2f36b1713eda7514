"""The verification of access tokens (RFC 9068), without Flask, network and private keys."""

from __future__ import annotations

import functools
import re
import threading
import time
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Protocol

import msgspec

from servicekit.grants_claim import CLAIM as GRANTS
from servicekit.grants_claim import GrantsClaim
from servicekit.reach import EVERYTHING, NOTHING, Reach
from servicekit.tickets import CLAIM as TICKET
from servicekit.tickets import Ticket

ALGORITHM = "RS256"
TYPE = "at+jwt"
LEEWAY_SECONDS = 60
MAX_TOKEN_BYTES = 8 * 1024
MAX_LIFETIME_SECONDS = 24 * 3600
# How long the verifier caches a verified token.
CACHE_SECONDS = 3.0
# The name of a tenant becomes the name of a folder, so the service checks the name even though the
# issuer has signed it.
_TENANT = re.compile("[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_REQUIRED = ("exp", "iat", "iss", "aud", "sub", "tid", "jti")
# A header parameter that `crit` lists (RFC 7515 section 4.1.11). It names the claims that narrow
# the token: a service that does not know one of these claims has to refuse the token. Other
# unknown claims are ignored.
NARROWS = "wharf-narrows"
NARROWING = frozenset({TICKET, GRANTS})
#: The claim with the ids of a token's parents, and the most parents of a token.
PARENTS = "parents"
MAX_PARENTS = 8


class TokenError(Exception):
    """The token is not accepted; the message never contains the token."""


class MalformedToken(TokenError):
    """The token is no access token of this service: its form, type or claims are wrong."""


class ExpiredToken(TokenError):
    """The token has expired."""


class BadSignature(TokenError):
    """No key of the issuer verifies the token."""


class KeysUnavailable(Exception):
    """The service has no keys yet, so it cannot verify any token."""


class Principal(msgspec.Struct, frozen=True):
    """The caller: the verified claims of a token. Times are in unix seconds.

    `session` is the claim `sid`: the session of a person, or the first token of a chain; it may be
    empty. `ticket` narrows the token: code that accepts tickets has to enforce it
    (`access.require_scope` refuses tickets unless the caller passes `takes_tickets`). `grants` is
    the token's claim about its reach, `None` without a list and groups. `reach` is the current
    reach (`access.accept`); code that uses a key has to check it. `parents` are the ids of the
    tokens that this token was made from, oldest first: when one of them ends, this token ends too.
    """

    tenant: str
    subject: str
    scopes: frozenset[str]
    token_id: str
    expires_at: int
    issued_at: int = 0
    session: str = ""
    ticket: Ticket | None = None
    grants: GrantsClaim | None = None
    reach: Reach = EVERYTHING
    parents: tuple[str, ...] = ()

    @property
    def is_original(self) -> bool:
        """Tell whether the token was issued for a secret, a password or a refresh token.

        The holder of an original token could get a new one, so a ticket that is made from it may
        outlive it. A token that is made from any other token ends at the latest when that other
        token ends. An exchanged token of a release that named no parents counts as original unless
        it is a ticket.
        """
        return not self.parents and self.ticket is None


class Key(Protocol):
    """A public key in the form of PyJWT (`jwt.PyJWK`)."""

    key: Any
    algorithm_name: str


class Keys(Protocol):
    """A source of public keys."""

    def find(self, kid: str) -> Key | None:
        """Return the key with this id, or `None`; may raise `KeysUnavailable`."""


@functools.cache
def _reader() -> Any:
    """Return a PyJWT instance that accepts tokens with the critical header parameter `NARROWS`."""
    # Imported here: a process that verifies no token saves 9 MB for PyJWT and cryptography.
    import jwt

    reader = jwt.PyJWT()
    # The assignment also removes `b64`, which PyJWT supports: an access token must not use it.
    reader._jws._supported_crit = {NARROWS}  # noqa: SLF001 -- PyJWT has no public way
    return reader


def critical(claims: Mapping[str, Any]) -> dict[str, Any]:
    """Return the additional header parameters for a token with these claims."""
    narrowing = sorted(NARROWING.intersection(claims))
    return {"crit": [NARROWS], NARROWS: narrowing} if narrowing else {}


class Verifier:
    """A verifier of tokens of one issuer, for one or several audiences; it caches valid tokens.

    The cache has a limit, and its keys are digests of tokens. The verifier never accepts a token
    after its expiry plus the leeway, and accepts tokens of a dropped key for `cache_seconds` only.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        issuer: str,
        audience: str | tuple[str, ...],
        max_lifetime_seconds: int = MAX_LIFETIME_SECONDS,
        cache_seconds: float = CACHE_SECONDS,
        cache_entries: int = 8192,
        cache_bytes: int = 8 << 20,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys, self._issuer, self._audience = keys, issuer, audience
        self._max_lifetime, self._clock = max_lifetime_seconds, clock
        self._cache_seconds, self._cache_entries = cache_seconds, cache_entries
        # The limit counts the tokens' lengths; the cached value of a long ticket is twice as long.
        self._cache_bytes, self._cached_bytes = cache_bytes, 0
        self._cache: dict[bytes, tuple[float, Principal]] = {}
        self._lock = threading.Lock()
        _reader()  # imports PyJWT at startup, before uWSGI forks its workers

    def verify(self, token: str) -> Principal:
        """Return the principal of a token; raise a `TokenError` or `KeysUnavailable`."""
        if len(token) > MAX_TOKEN_BYTES:
            raise MalformedToken(f"the token is longer than {MAX_TOKEN_BYTES} bytes")
        try:
            digest = blake2b(token.encode("ascii"), digest_size=16).digest()
        except UnicodeEncodeError:
            raise MalformedToken("the token is not ASCII") from None
        now = self._clock()
        known = self._cache.get(digest)
        if known is not None and now < known[0]:
            return known[1]
        principal = self._verify(token, now)
        self._remember(digest, principal, now, len(token))
        return principal

    def verify_late(self, token: str, seconds: int) -> Principal:
        """Verify a token as `verify` does, but also accept one that expired up to `seconds` ago."""
        try:
            return self.verify(token)
        except ExpiredToken:
            return self._verify(token, self._clock(), seconds)

    def _remember(self, digest: bytes, principal: Principal, now: float, size: int) -> None:
        until = min(now + self._cache_seconds, principal.expires_at + LEEWAY_SECONDS)
        with self._lock:
            full = len(self._cache) >= self._cache_entries
            if full or self._cached_bytes + size > self._cache_bytes:
                # A full cache is cleared: that is rare and cheap, and a hit needs no bookkeeping.
                self._cache.clear()
                self._cached_bytes = 0
            if digest not in self._cache:
                self._cached_bytes += size
            self._cache[digest] = (until, principal)

    def _verify(self, token: str, now: float, late_seconds: int = 0) -> Principal:
        import jwt  # see _reader

        header = _header(token)
        key, narrowing = self._key(header), _narrowing(header)
        options = {
            "require": list(_REQUIRED),
            # `_principal` checks the times, with this verifier's own clock.
            "verify_exp": False,
            "verify_iat": False,
            "verify_nbf": False,
            "enforce_minimum_key_length": True,
        }
        try:
            claims = _reader().decode(
                token,
                key.key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                options=options,
            )
        except jwt.InvalidSignatureError:
            raise BadSignature("the signature does not verify") from None
        except jwt.MissingRequiredClaimError as error:
            raise MalformedToken(f"the claim {error.claim} is missing") from None
        except jwt.InvalidAudienceError:
            raise MalformedToken("the token is for another audience") from None
        except jwt.InvalidIssuerError:
            raise MalformedToken("the token is from another issuer") from None
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise MalformedToken("the token cannot be read") from None
        if not narrowing <= claims.keys():
            raise MalformedToken("the token lacks a claim that its header names")
        return self._principal(claims, now, late_seconds)

    def _key(self, header: Mapping[str, Any]) -> Key:
        if header.get("alg") != ALGORITHM:
            raise MalformedToken(f"the token's algorithm is not {ALGORITHM}")
        # RFC 9068 section 4. PyJWT does not check `typ`.
        if str(header.get("typ", "")).lower().removeprefix("application/") != TYPE:
            raise MalformedToken(f"the token's type is not {TYPE}")
        kid = header.get("kid")
        if not isinstance(kid, str) or not kid:
            raise MalformedToken("the token names no key")
        key = self._keys.find(kid)
        if key is None:
            raise BadSignature("the token's key is not a key of the issuer")
        if key.algorithm_name != ALGORITHM:
            raise MalformedToken("the token's algorithm differs from its key's algorithm")
        return key

    def _principal(self, claims: Mapping[str, Any], now: float, late_seconds: int) -> Principal:
        exp, iat = _time(claims, "exp"), _time(claims, "iat")
        if "nbf" in claims and _time(claims, "nbf") > now + LEEWAY_SECONDS:
            raise MalformedToken("the token is not valid yet")
        if iat > now + LEEWAY_SECONDS:
            raise MalformedToken("the token was issued in the future")
        if exp - iat > self._max_lifetime or exp > now + self._max_lifetime + LEEWAY_SECONDS:
            raise MalformedToken("the token lives longer than is allowed")
        if exp + LEEWAY_SECONDS + late_seconds <= now:
            raise ExpiredToken("the token has expired")
        for name in ("sub", "tid", "jti"):
            if not isinstance(claims[name], str) or not claims[name]:
                raise MalformedToken(f"the claim {name} is not a text")
        if not _TENANT.fullmatch(claims["tid"]):
            raise MalformedToken("the claim tid is not the name of a tenant")
        scope = claims.get("scope", "")
        if not isinstance(scope, str):
            raise MalformedToken("the claim scope is not a text")
        return Principal(
            tenant=claims["tid"],
            subject=claims["sub"],
            scopes=frozenset(scope.split()),
            token_id=claims["jti"],
            expires_at=exp,
            issued_at=iat,
            session=_session(claims),
            ticket=_ticket(claims),
            grants=_grants(claims),
            parents=_parents(claims),
            # Without a resolved claim the token reaches nothing, so no code can ignore the list.
            reach=NOTHING if GRANTS in claims else EVERYTHING,
        )


def _header(token: str) -> Mapping[str, Any]:
    import jwt  # see _reader

    if token.count(".") != 2 or "=" in token:
        raise MalformedToken("the token is not three base64url parts")
    try:
        jws = _reader()._jws  # noqa: SLF001 -- the public way refuses our extension
        header: Mapping[str, Any] = jws.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise MalformedToken("the token's header cannot be read") from None
    return header


def _narrowing(header: Mapping[str, Any]) -> frozenset[str]:
    """Return the claims that narrow the token by its header; raise `MalformedToken`.

    Every named claim has to be known. Tickets of 0.1.0 name no claims.
    """
    if header.get("crit", [NARROWS]) != [NARROWS]:
        raise MalformedToken("the token demands an extension that is not supported")
    if NARROWS not in header:
        return frozenset()
    named = header[NARROWS]
    if not isinstance(named, list) or not named or not all(isinstance(n, str) for n in named):
        raise MalformedToken("the token's header does not name the claims that narrow it")
    if len(set(named)) != len(named) or not NARROWING.issuperset(named):
        raise MalformedToken("the token is narrowed by a claim that is not supported")
    return frozenset(named)


def _session(claims: Mapping[str, Any]) -> str:
    session = claims.get("sid", "")
    if not isinstance(session, str):
        raise MalformedToken("the claim sid is not a text")
    return session


def _ticket(claims: Mapping[str, Any]) -> Ticket | None:
    if TICKET not in claims:
        return None
    try:
        ticket = msgspec.convert(claims[TICKET], Ticket, strict=True)
    except msgspec.ValidationError:
        raise MalformedToken("the claim ticket cannot be read") from None
    if (ticket.key is None) == (ticket.prefix is None):
        raise MalformedToken("the claim ticket must name either a key or a prefix")
    return ticket


def _grants(claims: Mapping[str, Any]) -> GrantsClaim | None:
    if GRANTS not in claims:
        return None
    try:
        return msgspec.convert(claims[GRANTS], GrantsClaim, strict=True)
    except msgspec.ValidationError:
        raise MalformedToken("the claim grants cannot be read") from None


def _parents(claims: Mapping[str, Any]) -> tuple[str, ...]:
    parents = claims.get(PARENTS, [])
    if not isinstance(parents, list) or len(parents) > MAX_PARENTS:
        raise MalformedToken("the claim parents is not a short list")
    if not all(isinstance(one, str) and one for one in parents):
        raise MalformedToken("the claim parents is not a list of token ids")
    return tuple(parents)


def _time(claims: Mapping[str, Any], name: str) -> int:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 1 << 40:
        raise MalformedToken(f"the claim {name} is not a time in whole seconds")
    return value
