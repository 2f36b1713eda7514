"""Tests of signed requests to the object store, compared with botocore's signatures."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from wharf_upload.domain.bucket_place import BucketPlace, parse_bucket_place
from wharf_upload.storage.s3.keys import KeyFile
from wharf_upload.storage.s3.signing import UNSIGNED, Signer

_PLACES = (
    "s3://bucket?endpoint=http://127.0.0.1:7480",
    "s3://bucket/some/prefix?endpoint=https://s3.example.net&region=eu-west-3",
    "s3://bucket/p?endpoint=https://s3.example.net:8443&style=virtual",
    "s3://my.bucket/p_1/x.y?endpoint=http://[::1]:9000&region=garage",
)
_KEYS = (
    ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    ("wharf:KEY", "secret"),
    ("a/b+c=d&e", "with space/and+more="),
)
_NOW = datetime(2026, 11, 29, 23, 59, 59, tzinfo=UTC)


@pytest.fixture(autouse=True)
def stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let botocore sign with the time of the tests."""
    monkeypatch.setattr(auth, "get_current_datetime", lambda *_, **__: _NOW.replace(tzinfo=None))


def signer(folder: Path, place: BucketPlace, keys: tuple[str, str]) -> Signer:
    """Return a signer with keys in a file."""
    path = folder / "keys"
    path.touch(0o600)
    path.write_text("\n".join(keys))
    return Signer(place, KeyFile(str(path)))


@pytest.mark.parametrize("url", _PLACES)
@pytest.mark.parametrize("keys", _KEYS)
def test_presigned(tmp_path: Path, url: str, keys: tuple[str, str]) -> None:
    """A presigned address equals botocore's in every character."""
    place = parse_bucket_place(url)
    path = f"{place.base_path}{place.prefix}2026112923/acme/0123456789abcdef"
    request = AWSRequest("GET", f"{place.scheme}://{place.signed_host}{path}")
    auth.S3SigV4QueryAuth(Credentials(*keys), "s3", place.region, expires=3600).add_auth(request)
    parts = urlsplit(str(request.url))
    own = signer(tmp_path, place, keys).presigned(path, 3600, _NOW.timestamp())
    assert own == f"{parts.path}?{parts.query}"


@pytest.mark.parametrize("url", _PLACES)
@pytest.mark.parametrize("keys", _KEYS)
@pytest.mark.parametrize(
    ("method", "query", "payload"),
    [
        ("PUT", "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("PUT", "partNumber=3&uploadId=2~a%2Fb", UNSIGNED),
        ("GET", "list-type=2&max-keys=1&prefix=some%2Fprefix%2F", UNSIGNED),
        ("DELETE", "", UNSIGNED),
    ],
)
def test_signed_fields(
    tmp_path: Path, url: str, keys: tuple[str, str], method: str, query: str, payload: str
) -> None:
    """The Authorization field of a request equals botocore's."""
    place = parse_bucket_place(url)
    path = f"{place.base_path}{place.prefix}2026112923/acme/0123456789abcdef"
    address = f"{place.scheme}://{place.signed_host}{path}" + (f"?{query}" if query else "")
    request = AWSRequest(
        method, address, headers={"x-amz-content-sha256": payload, "content-md5": "abc="}
    )
    request.context["payload_signing_enabled"] = True
    oracle = _Signed(Credentials(*keys), "s3", place.region)
    oracle.digest = payload
    oracle.add_auth(request)
    own = signer(tmp_path, place, keys).fields(
        method, path, query, {"content-md5": "abc="}, payload, _NOW.timestamp()
    )
    assert own["authorization"] == request.headers["Authorization"]


class _Signed(auth.S3SigV4Auth):
    """A signature of botocore with a given digest instead of one computed from a body."""

    digest = ""

    def payload(self, request: AWSRequest) -> str:
        return self.digest


@settings(max_examples=20)
@given(days=st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_the_key_of_a_day_is_not_used_on_another(
    tmp_path_factory: pytest.TempPathFactory, days: list[int]
) -> None:
    """A signer that has signed for other days gives the same address as a new signer."""
    place = parse_bucket_place(_PLACES[0])
    folder = tmp_path_factory.mktemp("keys")
    kept = signer(folder, place, _KEYS[0])
    for day in days:
        now = _NOW.timestamp() + day * 86_400
        fresh = signer(folder, place, _KEYS[0])
        assert kept.presigned("/bucket/x", 60, now) == fresh.presigned("/bucket/x", 60, now)
