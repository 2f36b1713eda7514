"""Rotation of signing keys: valid tokens stay valid, and a key ends after its last token."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.jwks import parse
from servicekit.tokens import LEEWAY_SECONDS, BadSignature, Verifier
from tests.servers.auth import ISSUER, AuthService
from wharf_auth import key_rotation, signing
from wharf_auth.domain.acts import Actor
from wharf_auth.domain.rotation import JWKS_MAX_AGE_SECONDS, PUBLISH_SECONDS, turns
from wharf_auth.key_rotation import RotationRefused
from wharf_auth.signing import KeyRing

LONGEST = 3600
BY = Actor("tester")


@dataclass(frozen=True)
class Key:
    """A key with its id and the time of its creation."""

    kid: str
    since: float


sets_of_keys = st.lists(st.integers(0, 20_000), min_size=1, max_size=5, unique=True).map(
    lambda moments: [Key(f"k{moment}", moment) for moment in moments]
)


def states(keys: list[Key], now: float) -> dict[str, str]:
    return {turn.key.kid: turn.state for turn in turns(keys, now, LONGEST)}


@given(sets_of_keys, st.integers(0, 40_000), st.integers(0, LONGEST))
def test_whatever_signed_verifies_until_its_last_token_is_over(
    keys: list[Key], signed_at: int, age: int
) -> None:
    """Exactly one key signs, and a key is not retired while one of its tokens can be valid."""
    # At `signed_at` no later key exists.
    there = [key for key in keys if key.since <= signed_at] or keys
    (signer,) = [kid for kid, state in states(there, signed_at).items() if state == "signing"]
    later = [key for key in keys if key.since <= signed_at + age or key in there]
    assert states(later, signed_at + age)[signer] != "retired"


@given(sets_of_keys, st.integers(0, 40_000))
def test_no_key_signs_before_everybody_knows_it(keys: list[Key], now: int) -> None:
    """Every key but the oldest signs only after all cached key sets can contain it (row 62)."""
    (signer,) = [turn.key for turn in turns(keys, now, LONGEST) if turn.state == "signing"]
    assert now >= signer.since + PUBLISH_SECONDS or signer.since == min(key.since for key in keys)


@given(sets_of_keys)
def test_at_last_one_key_is_left(keys: list[Key]) -> None:
    """After all periods have passed, the newest key signs and all other keys are retired."""
    now = 20_000 + PUBLISH_SECONDS + LONGEST + LEEWAY_SECONDS
    found = states(keys, now)
    newest = max(keys, key=lambda key: key.since)
    assert found.pop(newest.kid) == "signing"
    assert set(found.values()) <= {"retired"}


@pytest.fixture
def ring(auth: AuthService) -> KeyRing:
    return KeyRing(auth.settings.keys_directory, auth.clock, auth.settings.longest_token_seconds)


@pytest.fixture
def rotate(auth: AuthService, ring: KeyRing) -> Callable[[], str]:
    """Return a function that rotates at the test's time, and returns the new key's id."""

    def call() -> str:
        # The first key has the time of the test's start, and the new key must be later.
        auth.clock.now += 10
        kid = key_rotation.rotate(ring, auth.records, auth.clock, BY)
        path = auth.settings.keys_directory / f"{kid}.pem"
        os.utime(path, (auth.clock.now, auth.clock.now))
        auth.clock.now += 2
        return kid

    return call


def token(auth: AuthService) -> str:
    return str(auth.post_token().get_json()["access_token"])


def published(auth: AuthService) -> dict[str, jwt.PyJWK]:
    """Return the key set as upload fetches it."""
    return parse(auth.app.test_client().get("/.well-known/jwks.json").get_data())


@dataclass
class Cached:
    """A key set that was fetched some time ago."""

    keys: dict[str, jwt.PyJWK]

    def find(self, kid: str) -> jwt.PyJWK | None:
        return self.keys.get(kid)


def feed(auth: AuthService) -> None:
    """Request the feed as the upload service does each second."""
    auth.app.test_client().get("/auth/internal/feed", environ_overrides={"WHARF_INTERNAL": "1"})


def test_rotation_refuses_nobody_and_needs_no_restart(
    auth: AuthService, rotate: Callable[[], str]
) -> None:
    """Row 62: a verifier with the oldest allowed key set accepts each token during a rotation."""
    (old,) = published(auth)
    cache = Cached(published(auth))
    verifier = Verifier(cache, issuer=ISSUER, audience="upload", clock=auth.clock)
    first = token(auth)
    new = rotate()
    assert set(published(auth)) == {old, new}
    signers = []
    alive: list[tuple[float, str]] = []
    for step in range(100):
        if step % 6 == 5:  # every 300 s, the lifetime of a cached key set
            cache.keys = published(auth)
        alive = [(end, text) for end, text in alive if end > auth.clock.now]
        alive.append((auth.clock.now + 900, token(auth)))
        for _, text in alive:
            verifier.verify(text)
        signers.append(jwt.get_unverified_header(alive[-1][1])["kid"])
        feed(auth)
        auth.clock.now += JWKS_MAX_AGE_SECONDS / 6
    assert signers == sorted(signers, key=[old, new].index)
    assert set(signers) == {old, new}
    assert signers.index(new) * JWKS_MAX_AGE_SECONDS / 6 >= PUBLISH_SECONDS - 60
    # After the longest token's lifetime the old key is no longer published.
    assert set(published(auth)) == {new}
    assert [path.stem for path in auth.settings.keys_directory.glob("*.pem")] == [new]
    with pytest.raises(BadSignature):
        Verifier(
            Cached(published(auth)), issuer=ISSUER, audience="upload", clock=auth.clock
        ).verify(first)
    acts = [
        (one.act.act, one.act.about, one.act.by.id)
        for one in auth.records.audit(after=0, limit=999)
        if one.act.act.startswith("keys.")
    ]
    assert acts == [("keys.rotate", new, "tester"), ("keys.retire", old, "service")]


def test_a_retired_key_is_refused_though_its_file_is_there(
    auth: AuthService, rotate: Callable[[], str]
) -> None:
    """A key is retired when its time has passed, even when its file still exists."""
    (old,) = published(auth)
    new = rotate()
    auth.clock.now += PUBLISH_SECONDS + auth.settings.longest_token_seconds + LEEWAY_SECONDS
    assert set(published(auth)) == {new}
    assert (auth.settings.keys_directory / f"{old}.pem").exists()


def test_two_replicas_retire_a_key_once(
    auth: AuthService, ring: KeyRing, rotate: Callable[[], str]
) -> None:
    """Two replicas that sweep one directory report the retirement of a key once."""
    (old,) = published(auth)
    rotate()
    other = KeyRing(auth.settings.keys_directory, auth.clock, auth.settings.longest_token_seconds)
    auth.clock.now += PUBLISH_SECONDS + auth.settings.longest_token_seconds + LEEWAY_SECONDS
    assert old in {turn.key.kid for one in (ring, other) for turn in one.turns()}
    assert ring.sweep() == [old]
    assert other.sweep() == []


def test_only_one_key_waits_for_its_turn(
    auth: AuthService, ring: KeyRing, rotate: Callable[[], str]
) -> None:
    """While a new key does not sign yet, a rotation is refused, and the message names a command."""
    pending = rotate()
    with pytest.raises(RotationRefused, match=f"keys retire {pending}"):
        rotate()
    key_rotation.retire(ring, auth.records, auth.clock, pending, BY)
    auth.clock.now += 2
    assert rotate() != pending


def test_the_key_that_signs_is_not_retired_by_mistake(
    auth: AuthService, ring: KeyRing, rotate: Callable[[], str]
) -> None:
    """The key that signs is retired only with `force`, and only when it has a successor."""
    (old,) = published(auth)
    with pytest.raises(RotationRefused, match="no key follows it"):
        key_rotation.retire(ring, auth.records, auth.clock, old, BY, force=True)
    new = rotate()
    with pytest.raises(RotationRefused, match="--force"):
        key_rotation.retire(ring, auth.records, auth.clock, old, BY)
    before = token(auth)
    key_rotation.retire(ring, auth.records, auth.clock, old, BY, force=True)
    auth.clock.now += 2
    assert jwt.get_unverified_header(token(auth))["kid"] == new
    with pytest.raises(BadSignature):
        Verifier(
            Cached(published(auth)), issuer=ISSUER, audience="upload", clock=auth.clock
        ).verify(before)
    with pytest.raises(RotationRefused, match="no key"):
        key_rotation.retire(ring, auth.records, auth.clock, old, BY)


def test_new_keys_are_private(auth: AuthService, rotate: Callable[[], str]) -> None:
    """Row 63: a new key file has mode 0600, and the service publishes its public part only."""
    kid = rotate()
    path: Path = auth.settings.keys_directory / f"{kid}.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    assert set(signing.load(auth.settings.keys_directory)) == set(published(auth))
    document = auth.app.test_client().get("/.well-known/jwks.json").get_json()
    assert [set(key) for key in document["keys"]] == [{"kty", "n", "e", "kid", "use", "alg"}] * 2


@pytest.mark.parametrize("kid", ["../../x", "/etc/passwd", "x" * 2000, "\u0000"])
def test_key_ids_are_no_paths(auth: AuthService, kid: str) -> None:
    """Row 52: the service looks up a token's key id in memory, and refuses an unknown one."""
    key = next(iter(signing.load(auth.settings.keys_directory).values()))
    text = jwt.encode({"iss": ISSUER}, key.private, "RS256", {"typ": "at+jwt", "kid": kid})
    reply = auth.app.test_client().get(
        "/auth/v1/tenants", headers={"Authorization": f"Bearer {text}"}
    )
    assert reply.status_code == 401
