"""Tests of WHARF_BLOB_URL: its meaning, and the values that are refused."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wharf_gateway.blobstore import parse as gateway_parse
from wharf_upload.domain.bucket_place import BucketPlace, parse_bucket_place

ROOT = Path(__file__).parents[3]
ENDPOINT = "endpoint=https://s3.example.net"
_EXAMPLE = re.compile(r"\bWHARF_BLOB_URL=(s3://\S+)", re.MULTILINE)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (
            f"s3://wharf?{ENDPOINT}",
            BucketPlace("wharf", "", "https", "s3.example.net", 443, "us-east-1", "path"),
        ),
        (
            f"s3://wharf/?{ENDPOINT}&region=eu-central-1&style=virtual",
            BucketPlace("wharf", "", "https", "s3.example.net", 443, "eu-central-1", "virtual"),
        ),
        (
            "s3://my.wharf/files/v_1.0?endpoint=http://127.0.0.1:8000/&region=garage",
            BucketPlace("my.wharf", "files/v_1.0/", "http", "127.0.0.1", 8000, "garage", "path"),
        ),
        (
            "s3://wharf/files/?style=path&endpoint=http://[::1]:9000",
            BucketPlace("wharf", "files/", "http", "[::1]", 9000, "us-east-1", "path"),
        ),
        (
            "s3://wharf?endpoint=http://rgw:1",
            BucketPlace("wharf", "", "http", "rgw", 1, "us-east-1", "path"),
        ),
        (
            "s3://wharf?endpoint=http://rgw:65535",
            BucketPlace("wharf", "", "http", "rgw", 65535, "us-east-1", "path"),
        ),
        (
            f"s3://wharf/X/?{ENDPOINT}",
            BucketPlace("wharf", "X/", "https", "s3.example.net", 443, "us-east-1", "path"),
        ),
        (
            "s3://wharf?endpoint=https%3A%2F%2Fs3.example.net%3A443",
            BucketPlace("wharf", "", "https", "s3.example.net", 443, "us-east-1", "path"),
        ),
    ],
)
def test_what_it_says(url: str, place: BucketPlace) -> None:
    """A URL gives bucket, prefix and endpoint, with defaults for what is left out."""
    assert parse_bucket_place(url) == place


@pytest.mark.parametrize(
    ("url", "endpoint", "host", "base"),
    [
        (f"s3://wharf/a?{ENDPOINT}", "https://s3.example.net", "s3.example.net", "/wharf/"),
        (
            f"s3://wharf/a?{ENDPOINT}:8443&style=virtual",
            "https://s3.example.net:8443",
            "wharf.s3.example.net:8443",
            "/",
        ),
        ("s3://wharf?endpoint=http://rgw:80", "http://rgw", "rgw", "/wharf/"),
        ("s3://wharf?endpoint=http://rgw:443", "http://rgw:443", "rgw:443", "/wharf/"),
    ],
)
def test_what_is_signed(url: str, endpoint: str, host: str, base: str) -> None:
    """The signed Host field includes the port only if it is not the scheme's default."""
    place = parse_bucket_place(url)
    assert (place.endpoint, place.signed_host, place.base_path) == (endpoint, host, base)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "disk",
        "/srv/wharf",
        "s3:",
        "s3://",
        "s3://wharf",
        "s3://wharf?endpoint=",
        f"s3:///files?{ENDPOINT}",
        f"http://wharf/?{ENDPOINT}",
        f"S3X://wharf/?{ENDPOINT}",
        # Bad buckets.
        f"s3://Wharf/?{ENDPOINT}",
        f"s3://ab/?{ENDPOINT}",
        f"s3://{'a' * 64}/?{ENDPOINT}",
        f"s3://-wharf/?{ENDPOINT}",
        f"s3://wharf:9000/?{ENDPOINT}",
        f"s3://key:secret@wharf/?{ENDPOINT}",
        f"s3://[wharf/?{ENDPOINT}",
        # Bad prefixes.
        f"s3://wharf/../other?{ENDPOINT}",
        f"s3://wharf/a/.hidden?{ENDPOINT}",
        f"s3://wharf/a//b?{ENDPOINT}",
        f"s3://wharf/a%2Fb?{ENDPOINT}",
        f"s3://wharf/a b?{ENDPOINT}",
        f"s3://wharf/ä?{ENDPOINT}",
        # Bad endpoints.
        "s3://wharf/?endpoint=s3.example.net",
        "s3://wharf/?endpoint=ftp://s3.example.net",
        "s3://wharf/?endpoint=https://",
        "s3://wharf/?endpoint=https://S3.example.net",
        "s3://wharf/?endpoint=https://s3.example.net/path",
        "s3://wharf/?endpoint=https://s3.example.net:0",
        "s3://wharf/?endpoint=https://s3.example.net:65536",
        "s3://wharf/?endpoint=https://s3.example.net:",
        "s3://wharf/?endpoint=https://key:secret@s3.example.net",
        "s3://wharf/?endpoint=https://s3.example.net;server other",
        "s3://wharf/?endpoint=https://s3.example.net%0a",
        # Other errors.
        f"s3://wharf/?{ENDPOINT}&region=",
        f"s3://wharf/?{ENDPOINT}&region=eu_central",
        f"s3://wharf/?{ENDPOINT}&style=vhost",
        f"s3://wharf/?{ENDPOINT}&Style=path",
        f"s3://wharf/?{ENDPOINT}&verify=false",
        f"s3://wharf/?{ENDPOINT}&region",
        f"s3://wharf/?{ENDPOINT}&region=a&region=b",
        f"s3://wharf/?{ENDPOINT}#files",
    ],
)
def test_what_is_refused(url: str) -> None:
    """The service and the gateway refuse a bad URL. The service's error has an example and no
    secret.
    """
    with pytest.raises(ValueError, match="s3://bucket/prefix") as refused:
        parse_bucket_place(url)
    assert "secret" not in str(refused.value)
    assert gateway_parse(url) is None


_HOST = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{2,5}){0,2}", fullmatch=True)
PLACES = st.builds(
    BucketPlace,
    bucket=st.from_regex(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", fullmatch=True),
    prefix=st.from_regex(r"([A-Za-z0-9_-][A-Za-z0-9._-]{0,5}/){0,3}", fullmatch=True),
    scheme=st.sampled_from(["http", "https"]),
    host=_HOST,
    port=st.integers(1, 65535),
    region=st.from_regex(r"[a-z0-9-]{1,64}", fullmatch=True),
    style=st.sampled_from(["path", "virtual"]),
)


@given(place=PLACES, escaped=st.booleans(), slash=st.booleans())
def test_any_place_can_be_said(place: BucketPlace, *, escaped: bool, slash: bool) -> None:
    """The parts of any place, written as a URL in any spelling, parse to the same place."""
    prefix = place.prefix if slash else place.prefix.removesuffix("/")
    for endpoint in (f"{place.scheme}://{place.host}:{place.port}", place.endpoint):
        said = quote(endpoint, safe="") if escaped else endpoint
        fields = f"style={place.style}&region={place.region}&endpoint={said}"
        assert parse_bucket_place(f"s3://{place.bucket}/{prefix}?{fields}") == place


@given(
    text=st.text(st.sampled_from("s3:/?&=#@[].%-_ \n\tabAB019") | st.characters(), max_size=40),
    place=st.sampled_from(["{}", "s3://{}?" + ENDPOINT, "s3://wharf/{}?" + ENDPOINT])
    | st.sampled_from(["s3://wharf/?endpoint={}", "s3://wharf/?" + ENDPOINT + "{}"]),
)
@example(text="https://a;b", place="s3://wharf/?endpoint={}")
@example(text="http://[::1", place="s3://wharf/?endpoint={}")
def test_anything_else_is_refused_or_harmless(text: str, place: str) -> None:
    """An accepted URL has parts that need no quoting, and the gateway parses the same host."""
    url = place.format(text)
    try:
        found = parse_bucket_place(url)
    except ValueError as error:
        if "s3://bucket/prefix" not in str(error):
            raise
        assert gateway_parse(url) is None
        return
    reached = gateway_parse(url)
    assert reached is not None
    assert (reached.signed_host, reached.port) == (found.signed_host, found.port)
    assert re.fullmatch(r"[a-z0-9.-]+", found.bucket)
    assert re.fullmatch(r"[A-Za-z0-9._/-]*", found.prefix)
    assert not {"", ".", ".."} & set(found.prefix.split("/")[:-1])
    assert re.fullmatch(r"[a-z0-9.-]+(:\d+)?|\[[0-9a-f:.]+\](:\d+)?", found.endpoint.split("//")[1])
    assert re.fullmatch(r"[a-z0-9-]+", found.region)


@pytest.mark.parametrize("page", ["object-stores.md"])
def test_the_examples_of_the_pages(page: str) -> None:
    """Each example of a place in the documentation is valid."""
    examples = _EXAMPLE.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))
    assert examples
    for url in examples:
        parse_bucket_place(url)
