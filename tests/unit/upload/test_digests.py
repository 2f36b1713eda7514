"""Tests of the RFC 9530 fields, and of digests that are computed and compared."""

from __future__ import annotations

import hashlib
import itertools
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharf_upload.domain import digests
from wharf_upload.domain.digests import DigestMismatch, Hashing, MalformedDigest

HELLO = b"hello"
SHA_256 = hashlib.sha256(HELLO).digest()
SHA_512 = hashlib.sha512(HELLO).digest()
B256 = b64encode(SHA_256).decode()
B512 = b64encode(SHA_512).decode()


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("", {}),
        (f"sha-256=:{B256}:", {"sha-256": SHA_256}),
        (f" sha-256=:{B256}: ", {"sha-256": SHA_256}),
        (f"sha-512=:{B512}:,\tsha-256=:{B256}:", {"sha-512": SHA_512, "sha-256": SHA_256}),
        (f'sha-256=:{B256}:;q=1;note="a, b";x, md5=:AAAA:', {"sha-256": SHA_256}),
        (f"sha-256=:{B256.rstrip('=')}:", {"sha-256": SHA_256}),
        (f"sha-256=:AAAA:, sha-256=:{B256}:", {"sha-256": SHA_256}),
        ("md5=:XUFAKrxLKna5cZ2REBfFkg==:", {}),
        ("sha=:qvTGHdzF6KLavt4PO0gs2a6pQ00=:, unixsum=:AAAA:, x*.y_z-1=::", {}),
    ],
)
def test_digests_are_read(field: str, expected: dict[str, bytes]) -> None:
    """Digests of the two active algorithms are returned as bytes; others are ignored."""
    assert digests.expected(field) == expected


@pytest.mark.parametrize(
    "field",
    [
        "sha-256",
        "sha-256=",
        f"sha-256={B256}",
        f"sha-256=:{B256}",
        f"SHA-256=:{B256}:",
        ",",
        f"sha-256=:{B256}:,",
        f"sha-256=:{B256}: sha-512=:{B512}:",
        "sha-256=:!:",
        "sha-256=::",
        "sha-256=:AAAA:",
        f"sha-512=:{B256}:",
        f"sha-256=:{B512}:",
        "sha-256=:A:",
        "sha-256=:A=A=:",
        f"sha-256=:{B256}=:",
        f"sha-256=:===={B256}:",
        f"\vsha-256=:{B256}:\v",
        f"Xsha-256=:{B256}:X",
        "sha-256=1",
        'sha-256="x"',
        f"sha-256=:{SHA_256.hex()}:",
        "é=:AAAA:",
        ":" * 50000,
        "a=:AAAA:;" * 10000,
        "a=:" + "A" * 60000,
    ],
)
def test_malformed_fields_are_refused(field: str) -> None:
    """Malformed fields and digests of the wrong length raise MalformedDigest."""
    with pytest.raises(MalformedDigest):
        digests.expected(field)


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_hashing_in_pieces_is_hashing_at_once(data: bytes, cuts: list[int]) -> None:
    """Hashing in several pieces gives the same digests as hashing all bytes in one piece."""
    hashing = Hashing(sha512=True)
    edges = [0, *sorted(cuts), len(data)]
    for begin, end in itertools.pairwise(edges):
        hashing.update(memoryview(data)[begin:end])
    whole = Hashing(sha512=True)
    whole.update(data[: edges[-2]] + data[edges[-2] :])
    assert hashing.sha256 == whole.sha256 == hashlib.sha256(data).digest()
    assert hashing.sha512 == hashlib.sha512(data).digest()


def test_equal_digests_pass() -> None:
    """Digests that match the bytes raise nothing."""
    hashing = Hashing(sha512=True)
    hashing.update(HELLO)
    hashing.verify({})
    hashing.verify({"sha-256": SHA_256, "sha-512": SHA_512})


@pytest.mark.parametrize("algorithm", ["sha-256", "sha-512"])
def test_a_mismatch_says_what_differs(algorithm: str) -> None:
    """The error of a mismatch names the algorithm and shows both digests in base64."""
    hashing = Hashing(sha512=True)
    hashing.update(b"other")
    announced = {"sha-256": SHA_256, "sha-512": SHA_512}[algorithm]
    with pytest.raises(DigestMismatch) as caught:
        hashing.verify({algorithm: announced})
    assert caught.value.algorithm == algorithm
    assert caught.value.expected == announced
    for digest in (caught.value.actual, announced):
        assert b64encode(digest).decode() in str(caught.value)


def test_sha512_is_not_verified_unless_asked_for() -> None:
    """An expected digest that was not computed raises LookupError."""
    with pytest.raises(LookupError):
        Hashing().verify({"sha-512": SHA_512})


def test_repr_digest_is_read_back() -> None:
    """The Repr-Digest field of a response parses to the same digest."""
    assert digests.repr_digest(SHA_256) == f"sha-256=:{B256}:"
    assert digests.expected(digests.repr_digest(SHA_256)) == {"sha-256": SHA_256}


@pytest.mark.parametrize(
    ("field", "algorithms"),
    [
        ("sha-256=1", ["sha-256"]),
        ("sha-256=3, sha-512=10, md5=9", ["sha-512", "sha-256"]),
        ("sha-512=5, sha-256=5", ["sha-512", "sha-256"]),
        ("sha-512=0, sha-256=1", ["sha-256"]),
        ("", []),
        ("md5=1", []),
        ("sha-256", []),
        ("sha-256=x", []),
    ],
)
def test_preferences_are_ordered(field: str, algorithms: list[str]) -> None:
    """Algorithms are ordered from the highest preference to the lowest. The preference 0 excludes
    an algorithm, and malformed preferences are ignored.
    """
    assert digests.wants(field) == algorithms
