"""Digest fields (RFC 9530) and the digests of what is received.

sha-256 and sha-512 are the active algorithms. The deprecated ones (md5, sha, unixsum) are ignored
and never verified with.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from typing import Final

from wharf_upload.domain.structured_fields import KEY, PARAMETERS

SHA_256: Final = "sha-256"
SHA_512: Final = "sha-512"

_LENGTHS: Final = {SHA_256: 32, SHA_512: 64}  # bytes

# The dictionaries of RFC 9530 hold byte sequences (digests) or integers (preferences).
_DIGEST = re.compile(rf"{KEY}=:([A-Za-z0-9+/=]*+):{PARAMETERS}")
_PREFERENCE = re.compile(rf"{KEY}=([0-9]{{1,15}}+){PARAMETERS}")
_COMMA = re.compile(r"[ \t]*+,[ \t]*+")


class MalformedDigest(ValueError):
    """A Content-Digest or Repr-Digest field cannot be parsed."""


class DigestMismatch(ValueError):
    """The bytes are not those that the client announced.

    Attributes:
        algorithm: "sha-256" or "sha-512".
        expected: the digest that was announced, raw bytes.
        actual: the digest of what arrived, raw bytes.
    """

    def __init__(self, algorithm: str, expected: bytes, actual: bytes) -> None:
        """Say what was announced and what arrived, both in base64."""
        self.algorithm = algorithm
        self.expected = expected
        self.actual = actual
        super().__init__(
            f"The {algorithm} of what arrived is {_base64(actual)}, announced was"
            f" {_base64(expected)}; nothing was stored, send it again."
        )


class Hashing:
    """Digests of bytes that arrive in order: always SHA-256, SHA-512 only when asked for."""

    def __init__(self, *, sha512: bool = False) -> None:
        """Start with no bytes; `sha512` doubles the work and is for clients that sent one."""
        self._sha256 = hashlib.sha256()
        self._sha512 = hashlib.sha512() if sha512 else None

    def update(self, buffer: bytes | bytearray | memoryview) -> None:
        """Add the next bytes. Releases the GIL for buffers over 2 KiB."""
        self._sha256.update(buffer)
        if self._sha512 is not None:
            self._sha512.update(buffer)

    @property
    def sha256(self) -> bytes:
        """The SHA-256 of the bytes so far, 32 raw bytes."""
        return self._sha256.digest()

    @property
    def sha512(self) -> bytes:
        """The SHA-512 of the bytes so far, 64 raw bytes.

        Raises:
            LookupError: it was not asked for at construction.
        """
        if self._sha512 is None:
            raise LookupError("SHA-512 was not asked for when hashing began")
        return self._sha512.digest()

    def verify(self, expected: Mapping[str, bytes]) -> None:
        """Compare with announced digests, as `expected()` returns them.

        Raises:
            DigestMismatch: one of them differs.
            LookupError: a SHA-512 is expected and was not asked for at construction.
        """
        for algorithm, announced in expected.items():
            actual = self.sha256 if algorithm == SHA_256 else self.sha512
            if actual != announced:
                raise DigestMismatch(algorithm, announced, actual)


def expected(header_value: str) -> dict[str, bytes]:
    """Return the raw digests under "sha-256" and "sha-512"; other algorithms are left out.

    Raises:
        MalformedDigest: not a dictionary of byte sequences, or a digest of the wrong length.
    """
    members = _members(_DIGEST, header_value)
    if members is None:
        raise MalformedDigest(
            "The digest field is malformed; send it as sha-256=:BASE64:, colons included."
        )
    return {
        algorithm: _digest(algorithm, encoded)
        for algorithm, encoded in members.items()
        if algorithm in _LENGTHS
    }


def repr_digest(sha256: bytes) -> str:
    """Return the Repr-Digest of a representation with this SHA-256 (32 raw bytes)."""
    return f"{SHA_256}=:{_base64(sha256)}:"


def wants(want_repr_digest: str) -> list[str]:
    """Return the supported algorithms that Want-Repr-Digest asks for, the best liked first.

    A preference of 0 means "not acceptable". A malformed field is a hint that cannot be read, and
    yields nothing.
    """
    members = _members(_PREFERENCE, want_repr_digest) or {}
    liked = [(int(weight), name) for name, weight in members.items() if name in _LENGTHS]
    liked.sort(key=lambda pair: -pair[0])  # stable: equals stay in the client's order
    return [name for weight, name in liked if weight > 0]


def _members(member: re.Pattern[str], value: str) -> dict[str, str] | None:
    """Parse a structured-field dictionary; None when malformed. A repeated key counts last."""
    value = value.strip(" ")
    found: dict[str, str] = {}
    position = 0
    while match := member.match(value, position):
        found[match[1]] = match[2]
        if match.end() == len(value):
            return found
        comma = _COMMA.match(value, match.end())
        if comma is None:
            return None
        position = comma.end()
    return None if value else found


def _digest(algorithm: str, encoded: str) -> bytes:
    """Decode one digest; absent padding is tolerated, as RFC 9651 section 4.2.7 asks."""
    try:
        digest = b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except Base64Error:
        raise MalformedDigest(f"The {algorithm} digest is not base64; encode it again.") from None
    if len(digest) != _LENGTHS[algorithm]:
        raise MalformedDigest(
            f"The {algorithm} digest is {len(digest)} bytes long and must be"
            f" {_LENGTHS[algorithm]}; encode the raw digest, not its hexadecimal form."
        )
    return digest


def _base64(digest: bytes) -> str:
    return b64encode(digest).decode("ascii")
