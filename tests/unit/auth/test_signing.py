"""Private keys: which are accepted, which are refused, and which one signs."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import stat
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from tests.servers.auth import Clock
from wharf_auth.domain.rotation import PUBLISH_SECONDS
from wharf_auth.signing import (
    KeyRing,
    SigningKeyError,
    create,
    load,
    thumbprint,
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a directory with one key."""
    create(tmp_path / "keys")
    return tmp_path / "keys"


def write(directory: Path, key: PrivateKeyTypes, name: str = "other.pem") -> Path:
    """Write a key file as an operator would."""
    path = directory / name
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    path.chmod(0o600)
    return path


def only(directory: Path) -> Path:
    (path,) = directory.glob("*.pem")
    return path


def test_new_keys_are_private_and_named_by_their_thumbprint(directory: Path) -> None:
    """A new key has mode 0600 in a directory of mode 0700, and is named by its thumbprint."""
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert [entry.name for entry in directory.iterdir()] == [only(directory).name]
    assert stat.S_IMODE(only(directory).stat().st_mode) == 0o600
    (key,) = load(directory).values()
    assert only(directory).name == f"{key.kid}.pem"
    assert key.private.key_size == 2048


def test_new_keys_belong_to_whom_the_directory_belongs(directory: Path) -> None:
    """A new key file has the owner of its directory, so that the service can read root's key."""
    if os.geteuid() == 0:
        os.chown(directory, 12345, 12345)
    path = directory / f"{create(directory)}.pem"
    assert (path.stat().st_uid, path.stat().st_gid) == (
        directory.stat().st_uid,
        directory.stat().st_gid,
    )


def test_thumbprint_is_that_of_rfc_7638(directory: Path) -> None:
    """The thumbprint is the SHA-256 over e, kty and n in this order, without spaces (RFC 7638)."""
    (key,) = load(directory).values()
    jwk = jwt.algorithms.RSAAlgorithm.to_jwk(key.private.public_key(), as_dict=True)
    text = json.dumps({name: jwk[name] for name in ("e", "kty", "n")}, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).digest()
    assert thumbprint(key.private.public_key()) == base64.urlsafe_b64encode(digest)[:43].decode()


@pytest.mark.parametrize("mode", [0o640, 0o644, 0o604, 0o660, 0o602, 0o601])
def test_files_open_to_others_are_refused_and_named(directory: Path, mode: int) -> None:
    """A key file that is open to others is refused, and the message names its path (security.md
    80).
    """
    path = only(directory)
    path.chmod(mode)
    with pytest.raises(SigningKeyError) as caught:
        KeyRing(directory)
    assert f"{path} is open to others (mode {mode:o}); its mode must be 600" in str(caught.value)


def test_directory_open_to_others_is_refused(directory: Path) -> None:
    """A key directory that others may write is refused, because they could add a key."""
    directory.chmod(0o770)
    with pytest.raises(SigningKeyError, match=r"key directory .* is open to others"):
        KeyRing(directory)


def test_weak_keys_are_refused_and_named(directory: Path) -> None:
    """A key of 1,024 bits is refused, and the message names its file."""
    write(directory, rsa.generate_private_key(65537, 1024))
    with pytest.raises(SigningKeyError, match=r"other\.pem is weak: 1024 bits"):
        KeyRing(directory)


def test_other_kinds_of_keys_are_refused(directory: Path) -> None:
    """A key that is not RSA is refused, because it cannot sign RS256."""
    write(directory, ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(SigningKeyError, match=r"other\.pem is not an RSA key"):
        KeyRing(directory)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\n"])
def test_garbage_is_refused_and_named(directory: Path, content: bytes) -> None:
    """A damaged key file is refused at startup, and the message names the file."""
    path = directory / "other.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SigningKeyError, match=r"other\.pem is not an unencrypted private key"):
        KeyRing(directory)


def test_public_key_is_refused(directory: Path) -> None:
    """A public key is refused, because it cannot sign."""
    (key,) = load(directory).values()
    path = directory / "other.pem"
    path.write_bytes(
        key.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    path.chmod(0o600)
    with pytest.raises(SigningKeyError, match=r"other\.pem is not"):
        load(directory)


def test_missing_keys_say_how_to_make_them(tmp_path: Path) -> None:
    """Without a key the message names the command that makes one."""
    with pytest.raises(SigningKeyError, match="wharf-auth init"):
        KeyRing(tmp_path / "absent")
    tmp_path.chmod(0o700)
    with pytest.raises(SigningKeyError, match="wharf-auth init"):
        KeyRing(tmp_path)


def test_messages_are_one_line_without_the_key(directory: Path) -> None:
    """A message about a key is one line and contains no part of the key."""
    only(directory).chmod(0o644)
    with pytest.raises(SigningKeyError) as caught:
        KeyRing(directory)
    assert "\n" not in str(caught.value)
    assert "PRIVATE" not in str(caught.value)


def test_new_key_is_published_at_once_and_signs_later(directory: Path) -> None:
    """A new key is published immediately and signs after all caches have it (security.md 62)."""
    first = only(directory).stem
    clock = Clock(only(directory).stat().st_mtime + 10_000)
    ring = KeyRing(directory, clock)
    second = create(directory)
    os.utime(directory / f"{second}.pem", (clock.now, clock.now))
    clock.now += 2
    assert {key["kid"] for key in ring.jwks()["keys"]} == {first, second}
    assert ring.signing_key().kid == first
    clock.now += PUBLISH_SECONDS - 3
    assert ring.signing_key().kid == first
    clock.now += 2
    assert ring.signing_key().kid == second
    assert ring.find(first)


def test_retired_key_is_gone_without_a_restart(directory: Path) -> None:
    """After a key's file was removed, the key is retired without a restart (security.md 62)."""
    clock = Clock(only(directory).stat().st_mtime)
    ring = KeyRing(directory, clock)
    retired = only(directory)
    kept = create(directory)
    retired.unlink()
    clock.now += 2
    assert ring.find(retired.stem) is None
    assert ring.signing_key().kid == kept


def test_first_key_signs_at_once(directory: Path) -> None:
    """A single key signs immediately."""
    ring = KeyRing(directory, Clock(only(directory).stat().st_mtime))
    assert jwt.get_unverified_header(ring.sign({}))["kid"] == only(directory).stem


def test_trouble_while_running_keeps_the_known_keys(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A bad file that appears later is logged, and the known keys stay in use."""
    clock = Clock(only(directory).stat().st_mtime)
    ring, kid = KeyRing(directory, clock), only(directory).stem
    write(directory, rsa.generate_private_key(65537, 1024))
    clock.now += 2
    with caplog.at_level(logging.ERROR):
        assert ring.signing_key().kid == kid
    assert "other.pem is weak" in caplog.text
    (directory / "other.pem").unlink()
    only(directory).chmod(0o600)
    clock.now += 2
    assert ring.find(kid)


def test_key_whose_file_is_named_otherwise_is_good(directory: Path) -> None:
    """A key file may have any name, because the key's id is computed from the key."""
    key = rsa.generate_private_key(65537, 3072)
    write(directory, key)
    assert thumbprint(key.public_key()) in load(directory)


@pytest.mark.parametrize("claims", [{}, {"sid": "s"}, {"act": {"sub": "c"}}])
def test_what_narrows_nothing_is_not_marked(directory: Path, claims: dict[str, object]) -> None:
    """A token without ticket or grants marks no claim as critical, so release 0.1.0 accepts it."""
    header = jwt.get_unverified_header(KeyRing(directory).sign(claims))
    assert set(header) == {"alg", "typ", "kid"}


def test_tickets_are_marked(directory: Path) -> None:
    """A ticket's header marks the ticket's claim as critical.

    A verifier that does not know tickets therefore refuses the ticket, instead of taking it for a
    full token.
    """
    ring = KeyRing(directory)
    token = ring.sign({"sub": "c", "ticket": {"bucket": "photos", "prefix": ""}})
    header = json.loads(jwt.utils.base64url_decode(token.split(".")[0]))
    assert header["crit"] == ["wharf-narrows"]
    assert header["wharf-narrows"] == ["ticket"]
    key = ring.find(header["kid"])
    assert key is not None
    with pytest.raises(jwt.InvalidTokenError, match="wharf-narrows"):
        jwt.decode(token, key, algorithms=["RS256"])
