"""Digest fields (RFC 9530), and the digests of received bytes.

The service uses the active algorithms sha-256 and sha-512. The service ignores the deprecated
algorithms (md5, sha, unixsum) and never verifies bytes with them.
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
    """The received bytes do not match the digest that the client announced.

    Attributes:
        algorithm: "sha-256" or "sha-512".
        expected: the announced digest, raw bytes.
        actual: the digest of the received bytes, raw bytes.
    """

    def __init__(self, algorithm: str, expected: bytes, actual: bytes) -> None:
        """Build the message with both digests in base64."""
        self.algorithm = algorithm
        self.expected = expected
        self.actual = actual
        super().__init__(
            f"The {algorithm} of the received bytes is {_base64(actual)}, but the client announced"
            f" {_base64(expected)}; nothing was stored. Send the file again."
        )


class Hashing:
    """The digests of bytes that arrive in order: always SHA-256, and SHA-512 on request."""

    def __init__(self, *, sha512: bool = False) -> None:
        """Start with no bytes.

        `sha512` doubles the work and is for clients that announced a SHA-512.
        """
        self._sha256 = hashlib.sha256()
        self._sha512 = hashlib.sha512() if sha512 else None

    def update(self, buffer: bytes | bytearray | memoryview) -> None:
        """Add the next bytes. Releases the GIL for buffers over 2 KiB."""
        self._sha256.update(buffer)
        if self._sha512 is not None:
            self._sha512.update(buffer)

    @property
    def sha256(self) -> bytes:
        """Return the SHA-256 of the bytes so far, 32 raw bytes."""
        return self._sha256.digest()

    @property
    def sha512(self) -> bytes:
        """Return the SHA-512 of the bytes so far, 64 raw bytes.

        Raises:
            LookupError: the caller did not request SHA-512 at construction.
        """
        if self._sha512 is None:
            raise LookupError("SHA-512 was not requested when hashing began")
        return self._sha512.digest()

    def verify(self, expected: Mapping[str, bytes]) -> None:
        """Compare the digests with announced ones, in the form that `expected()` returns.

        Raises:
            DigestMismatch: a digest differs.
            LookupError: a SHA-512 is announced, and the caller did not request it at construction.
        """
        for algorithm, announced in expected.items():
            actual = self.sha256 if algorithm == SHA_256 else self.sha512
            if actual != announced:
                raise DigestMismatch(algorithm, announced, actual)


def expected(header_value: str) -> dict[str, bytes]:
    """Return the raw digests under "sha-256" and "sha-512"; omit other algorithms.

    Raises:
        MalformedDigest: the field is not a dictionary of byte sequences, or a digest is not base64
            or has the wrong length.
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
    """Return the supported algorithms that Want-Repr-Digest lists, most preferred first.

    A preference of 0 means "not acceptable". A malformed field is an unreadable hint, so the list
    is empty.
    """
    members = _members(_PREFERENCE, want_repr_digest) or {}
    liked = [(int(weight), name) for name, weight in members.items() if name in _LENGTHS]
    # The sort is stable: equal preferences stay in the client's order.
    liked.sort(key=lambda pair: -pair[0])
    return [name for weight, name in liked if weight > 0]


def _members(member: re.Pattern[str], value: str) -> dict[str, str] | None:
    """Parse a structured-field dictionary; `None` if malformed.

    If a key occurs several times, its last value counts.
    """
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
    """Decode one digest; missing padding is accepted, as RFC 9651 section 4.2.7 requires."""
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
