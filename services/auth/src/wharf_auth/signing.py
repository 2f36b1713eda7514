"""The private keys: only this module creates, checks, loads and uses them."""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from servicekit.tokens import ALGORITHM, TYPE, critical
from wharf_auth import private_files
from wharf_auth.domain import rotation
from wharf_auth.domain.tokens import MAX_TOKEN_TTL_SECONDS

log = logging.getLogger(__name__)

KEY_BITS = 2048
SUFFIX = ".pem"
# A file's name may begin with the time when the key was added, in unix seconds. Kubernetes rewrites
# all files of a secret with each change, so modification times are useless there.
_BEGUN = re.compile(r"([0-9]{10})-")
_POLL_SECONDS = 1.0


class SigningKeyError(Exception):
    """A key that auth must not use; the message is one line that names the file."""


@dataclass(frozen=True)
class SigningKey:
    """A private key. `since` is the time when it was added or made, in unix seconds."""

    kid: str
    private: rsa.RSAPrivateKey
    public: jwt.PyJWK
    since: float
    path: Path


def thumbprint(key: rsa.RSAPublicKey) -> str:
    """Return the key's id: its JWK thumbprint with SHA-256 (RFC 7638)."""
    jwk = _jwk(key)
    canonical = msgspec.json.encode({name: jwk[name] for name in ("e", "kty", "n")})
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()


def _jwk(key: rsa.RSAPublicKey) -> dict[str, Any]:
    jwk: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(key, as_dict=True)
    return {name: jwk[name] for name in ("kty", "n", "e")}


def public_jwk(key: rsa.RSAPublicKey) -> dict[str, Any]:
    """Return the public key in its published form (RFC 7517)."""
    return {**_jwk(key), "kid": thumbprint(key), "use": "sig", "alg": ALGORITHM}


def new_pem() -> tuple[str, bytes]:
    """Generate a private key; return its id and the key in PEM."""
    private = rsa.generate_private_key(65537, KEY_BITS)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return thumbprint(private.public_key()), pem


def create(directory: Path) -> str:
    """Generate a key and write it durably to the directory; return its id."""
    kid, pem = new_pem()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    private_files.write(directory / f"{kid}{SUFFIX}", pem)
    return kid


def remove(key: SigningKey) -> bool:
    """Delete the key's file; auth refuses the key's tokens after reading the directory again.

    Return whether the file existed: another replica may have deleted it before.
    """
    try:
        key.path.unlink()
    except FileNotFoundError:
        return False
    return True


def load(directory: Path) -> dict[str, SigningKey]:
    """Return all keys of the directory by id.

    Raise `SigningKeyError` if the directory has no key, or has a key that auth must not use.
    """
    try:
        # In containers secrets are mounted read-only. No process can change files there, so the
        # mode of the folder does not matter.
        if not _mounted_read_only(directory):
            _require_private(os.stat(directory), f"the key directory {directory}", "700")
        names = sorted(name for name in os.listdir(directory) if name.endswith(SUFFIX))
    except OSError as error:
        raise SigningKeyError(
            f"the key directory {directory} cannot be read: {error.strerror}; "
            "`wharf-auth init` creates it"
        ) from None
    keys = [_load_one(directory / name) for name in names]
    if not keys:
        raise SigningKeyError(f"{directory} has no key (*{SUFFIX}); `wharf-auth init` creates one")
    return {key.kid: key for key in keys}


def _load_one(path: Path) -> SigningKey:
    what = f"the signing key {path}"
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if not _is_lent(status, path):
                _require_private(status, what, "600")
            private = serialization.load_pem_private_key(file.read(), password=None)
    except OSError as error:
        raise SigningKeyError(f"{what} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SigningKeyError(f"{what} is not an unencrypted private key in PEM") from None
    if not isinstance(private, rsa.RSAPrivateKey):
        raise SigningKeyError(f"{what} is not an RSA key, which {ALGORITHM} needs")
    if private.key_size < KEY_BITS:
        raise SigningKeyError(
            f"{what} is weak: {private.key_size} bits; at least {KEY_BITS} are required"
        )
    public = private.public_key()
    kid = thumbprint(public)
    named = _BEGUN.match(path.name) if path.stem != kid else None
    since = float(named.group(1)) if named else status.st_mtime
    return SigningKey(kid, private, jwt.PyJWK(public_jwk(public)), since, path)


def _mounted_read_only(path: Path) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def _is_lent(status: os.stat_result, path: Path) -> bool:
    """Tell whether a group of this process may read the file, and no process may change it.

    Kubernetes mounts secrets this way: root owns the file, and its group is the pod's `fsGroup`.
    """
    return (
        status.st_uid == 0
        and not status.st_mode & (stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO)
        and status.st_gid in {os.getegid(), *os.getgroups()}
        and _mounted_read_only(path)
    )


def _require_private(status: os.stat_result, what: str, mode: str) -> None:
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SigningKeyError(
            f"{what} is open to others (mode {stat.S_IMODE(status.st_mode):o}); "
            f"its mode must be {mode}"
        )


class KeyRing:
    """The keys of a directory: the ring signs tokens and returns the public keys.

    The ring loads the keys again when the directory changes. The constructor raises
    `SigningKeyError` if the first load fails. A later failure is logged, and the ring continues
    with the loaded keys.
    """

    def __init__(
        self,
        directory: Path,
        clock: Callable[[], float] = time.time,
        longest_token_seconds: int = MAX_TOKEN_TTL_SECONDS,
    ) -> None:
        self.directory, self._clock = directory, clock
        self._longest_token_seconds = longest_token_seconds
        self._lock = threading.Lock()
        self._polled_at = clock()
        self._version = self._directory_version()
        self._keys = load(directory)

    def _directory_version(self) -> tuple[int, int]:
        try:
            status = os.stat(self.directory)
        except OSError:
            return (0, 0)
        return (status.st_mtime_ns, status.st_ino)

    def _current(self) -> dict[str, SigningKey]:
        """Return the keys that are not retired; files of retired keys may still exist."""
        now = self._clock()
        found = self._loaded(now)
        if len(found) == 1:
            return found
        turns = rotation.turns(found.values(), now, self._longest_token_seconds)
        return {turn.key.kid: turn.key for turn in turns if turn.state != "retired"}

    def _loaded(self, now: float) -> dict[str, SigningKey]:
        if 0 <= now - self._polled_at < _POLL_SECONDS:
            return self._keys
        with self._lock:
            self._polled_at = now
            version = self._directory_version()
            if version != self._version:
                try:
                    self._keys = load(self.directory)
                except SigningKeyError as error:
                    log.error("cannot load the new keys, using the old: %s", error)  # noqa: TRY400 -- one line
                self._version = version
        return self._keys

    def signing_key(self) -> SigningKey:
        """Return the newest key that has been published long enough, otherwise the oldest key."""
        turns = rotation.turns(self._current().values(), self._clock(), self._longest_token_seconds)
        return next(turn.key for turn in turns if turn.state == "signing")

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Return a signed token with these claims.

        The token's header marks the claims that narrow the token as critical.
        """
        key = self.signing_key()
        headers = {"typ": TYPE, "kid": key.kid, **critical(claims)}
        return jwt.encode(dict(claims), key.private, ALGORITHM, headers)

    def find(self, kid: str) -> jwt.PyJWK | None:
        """Return the public key with this id, or `None`; implements `servicekit.tokens.Keys`."""
        key = self._current().get(kid)
        return key.public if key else None

    def turns(self) -> list[rotation.Turn[SigningKey]]:
        """Return all keys with their states, the oldest first, including retired keys."""
        now = self._clock()
        return rotation.turns(self._loaded(now).values(), now, self._longest_token_seconds)

    def sweep(self) -> list[str]:
        """Delete the files of retired keys; return their ids. Raise `OSError`.

        Delete nothing in a folder that is mounted read-only: there the operator has to remove the
        keys from the secret.
        """
        if _mounted_read_only(self.directory):
            return []
        retired = [turn.key for turn in self.turns() if turn.state == "retired"]
        return [key.kid for key in retired if remove(key)]

    def jwks(self) -> dict[str, Any]:
        """Return the key set (RFC 7517) with the public keys."""
        keys = self._current().values()
        return {"keys": [public_jwk(key.private.public_key()) for key in keys]}
