"""Client secrets: they are random and hashed, and few are verified at the same time."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence

import pytest

from tests.servers.quick import real_hashes
from wharf_auth.accounts.clients import new_secret as kept_secret
from wharf_auth.accounts.secret_lane import SecretLane
from wharf_auth.accounts.secrets import Hasher, HashingBusy, new_secret
from wharf_auth.database.contract import Secret
from wharf_auth.domain import scopes

__all__ = ["real_hashes"]


@pytest.fixture(scope="module")
def hasher() -> Hasher:
    return Hasher()


def test_secrets_are_256_random_bits() -> None:
    """A secret has 43 characters that need no escape, and each secret is different."""
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", secret) for secret in made)


@pytest.mark.usefixtures("real_hashes")
def test_hash_has_the_parameters_of_owasp() -> None:
    """A hash is argon2id with 7 MiB, five passes and one lane."""
    assert Hasher().hash("x").startswith("$argon2id$v=19$m=7168,t=5,p=1$")


def test_hash_is_salted(hasher: Hasher) -> None:
    """Equal secrets have different hashes."""
    assert hasher.hash("x") != hasher.hash("x")


def test_matching_finds_any_of_the_kept(hasher: Hasher) -> None:
    """A secret matches when it is one of the client's secrets, and no other secret matches."""
    first, second = new_secret(), new_secret()
    kept = [kept_secret(one, hasher, 0) for one in (first, second)]
    assert hasher.matching(first, kept)
    assert hasher.matching(second, kept)
    assert not hasher.matching(new_secret(), kept)
    assert not hasher.matching(first, kept[1:])
    assert not hasher.matching(first, [])


def test_equal_ends_do_not_confuse(hasher: Hasher) -> None:
    """A secret is verified correctly when the client's other secret has the same ending."""
    ends = ["a" * 39 + "same", "b" * 39 + "same"]
    kept = [kept_secret(one, hasher, 0) for one in ends]
    assert all(hasher.matching(one, kept) for one in ends)
    assert not hasher.matching("c" * 39 + "same", kept)


def test_broken_hash_matches_nothing(hasher: Hasher) -> None:
    """A damaged hash matches no secret and raises no error."""
    secret = new_secret()
    assert not hasher.matching(secret, [Secret("1", secret[-4:], "$argon2id$broken", 0)])


class CountingArgon2:
    """A replacement for argon2 that counts its calls, and the most that ran at the same time."""

    def __init__(self) -> None:
        self.calls, self.running, self.most = 0, 0, 0
        self.release = threading.Event()

    def verify(self, kept: str, secret: str) -> bool:
        self.calls += 1
        self.running += 1
        self.most = max(self.most, self.running)
        self.release.wait(5)
        self.running -= 1
        return True


def counted(hasher: Hasher) -> CountingArgon2:
    fake = CountingArgon2()
    hasher._argon2 = fake  # type: ignore[assignment]
    return fake


@pytest.mark.parametrize("number", [0, 1, 2])
def test_one_verification_whatever_is_kept(number: int) -> None:
    """A check of a secret verifies one hash, whether the client has zero, one or two secrets."""
    hasher = Hasher()
    fake = counted(hasher)
    fake.release.set()
    kept: Sequence[Secret] = [Secret(str(i), f"end{i}", "hash", 0) for i in range(number)]
    hasher.matching("wrong", kept)
    assert fake.calls == 1


def test_few_are_verified_at_once() -> None:
    """Two secrets are verified at the same time; other requests wait, and fail after a timeout."""
    hasher = Hasher(SecretLane(2, wait_seconds=0.2))
    fake = counted(hasher)
    outcomes: list[str] = []

    def work() -> None:
        try:
            hasher.matching("x", [])
            outcomes.append("done")
        except HashingBusy:
            outcomes.append("busy")
            if outcomes.count("busy") == 3:
                fake.release.set()

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["busy", "busy", "busy", "done", "done"]
    assert fake.most == 2


# Scopes


def test_scopes_have_one_order() -> None:
    """Scopes are returned once each and in a fixed order."""
    assert scopes.ordered(["files:write", "files:read", "files:write"]) == (
        "files:read",
        "files:write",
    )


@pytest.mark.parametrize("requested", [None, "", "  "])
def test_no_request_means_all(requested: str | None) -> None:
    """A request without scopes gets all scopes that the client has (RFC 6749 section 3.3)."""
    assert scopes.narrowed(("files:read", "files:write"), requested) == (
        "files:read",
        "files:write",
    )


@pytest.mark.parametrize("requested", ["files:delete", "files:read files:delete", "x"])
def test_nothing_is_granted_beyond(requested: str) -> None:
    """A request for several scopes gets none if the client lacks one of them."""
    with pytest.raises(scopes.UnknownScope):
        scopes.narrowed(("files:read", "files:write"), requested)
