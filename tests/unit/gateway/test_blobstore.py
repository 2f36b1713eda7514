"""An object store behind the gateway: its address, and the configuration of nginx."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wharf_gateway import blobstore
from wharf_gateway.blobstore import BlobStore, blob_store, parse, template_values
from wharf_gateway.terminal import CannotRunError
from wharf_upload.domain.bucket_place import parse_bucket_place

GOOD = [
    "s3://bucket?endpoint=https://s3.example.net",
    "s3://bucket/?endpoint=https://s3.example.net/",
    "s3://bucket/a/prefix/?endpoint=http://s3.example.net:8080&region=eu-1",
    "s3://bucket/wharf?endpoint=https://s3.example.net:443&style=virtual",
    "s3://bucket/wharf?endpoint=https%3A%2F%2Fs3.example.net&style=path",
    "s3://my.bucket-1?endpoint=http://[::1]:9000",
    "s3://bucket?endpoint=http://127.0.0.1&region=us-east-1&style=virtual",
]
BAD = [
    "",
    "disk",
    "s3://",
    "s3://bucket",
    "s3://bucket?endpoint=",
    "s3://bucket?endpoint=s3.example.net",
    "s3://bucket?endpoint=ftp://s3.example.net",
    "s3://bucket?endpoint=https://s3.example.net/path",
    "s3://bucket?endpoint=https://user@s3.example.net",
    "s3://bucket?endpoint=https://s3.example.net:0",
    "s3://bucket?endpoint=https://s3.example.net:70000",
    "s3://bucket?endpoint=https://s3.example.net;return 200",
    "s3://bucket?endpoint=https://s3.example.net&style=other",
    "s3://bucket?endpoint=https://s3.example.net&region=EU",
    "s3://bucket?endpoint=https://s3.example.net&key=secret",
    "s3://bucket?endpoint=https://s3.example.net#part",
    "s3://Bucket?endpoint=https://s3.example.net",
    "s3://b?endpoint=https://s3.example.net",
    "s3://bucket/../x?endpoint=https://s3.example.net",
    "s3://bucket/a b?endpoint=https://s3.example.net",
    "https://bucket?endpoint=https://s3.example.net",
]


@pytest.mark.parametrize("url", GOOD)
def test_it_is_read_as_upload_reads_it(url: str) -> None:
    """The gateway computes the same scheme, host and port from an address as upload does."""
    found, expected = parse(url), parse_bucket_place(url)
    assert found is not None
    assert (found.signed_host, found.port) == (expected.signed_host, expected.port)
    assert found.scheme == expected.scheme
    prefix = f"{expected.bucket}." if expected.style == "virtual" else ""
    assert found.name == prefix + expected.host


@pytest.mark.parametrize("url", BAD)
def test_what_upload_refuses_is_refused(url: str) -> None:
    """The gateway refuses the addresses that upload refuses, and its message contains no key."""
    with pytest.raises(ValueError, match="expected a URL like"):
        parse_bucket_place(url)
    assert parse(url) is None
    if url not in ("", "disk"):
        with pytest.raises(CannotRunError, match=r"WHARF_BLOB_OLD_URL=['(]") as refused:
            blob_store({"WHARF_BLOB_OLD_URL": url})
        assert "@" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "old", "name"),
    [
        ("", "", None),
        ("", GOOD[0], "s3.example.net"),
        (GOOD[0], "disk", "s3.example.net"),
        (GOOD[0], "", "s3.example.net"),
    ],
)
def test_new_or_old(tmp_path: Path, url: str, old: str, name: str | None) -> None:
    """The gateway has an object store if the new or the old store of blobs is an object store."""
    ca = tmp_path / "ca.pem"
    ca.touch()
    found = blob_store({"WHARF_BLOB_URL": url, "WHARF_BLOB_OLD_URL": old, "WHARF_BLOB_CA": str(ca)})
    assert (found.name if found else None) == name
    assert (found.ca if found else str(ca)) == str(ca)


def test_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store with TLS is verified with the named file, or with the system's certificates.

    A start without readable certificates fails. A store without TLS needs no certificates.
    """
    bundle = tmp_path / "bundle.crt"
    bundle.touch()
    monkeypatch.setattr(blobstore, "_BUNDLES", (str(tmp_path / "absent"), str(bundle)))
    secure, plain = {"WHARF_BLOB_URL": GOOD[0]}, {"WHARF_BLOB_URL": GOOD[2]}
    found = blob_store(secure)
    assert found is not None
    assert found.ca == str(bundle)
    monkeypatch.setattr(blobstore, "_BUNDLES", ())
    with pytest.raises(CannotRunError, match="install ca-certificates"):
        blob_store(secure)
    for path in (str(tmp_path / "absent"), "ca.pem", "/x;y"):
        with pytest.raises(CannotRunError, match=r"WHARF_BLOB_CA='.*' ?: Wharf cannot read this"):
            blob_store({**secure, "WHARF_BLOB_CA": path})
    found = blob_store(plain)
    assert found is not None
    assert found.ca == ""


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "127.0.0.1:8443"])
def test_tls_needs_a_name(host: str) -> None:
    """A store with TLS needs a host name, because nginx verifies names only."""
    with pytest.raises(CannotRunError, match="use the host name of the store"):
        blob_store({"WHARF_BLOB_URL": f"s3://bucket?endpoint=https://{host}"})


def test_what_nginx_is_told() -> None:
    """nginx verifies only a store with TLS; each kind of store sets the same template names."""
    none = template_values()
    plain = template_values(BlobStore("http", "store", 9000))
    secure = template_values(BlobStore("https", "store", 443, os.devnull))
    assert none.keys() == plain.keys() == secure.keys()
    assert none["WHARF_BLOB_PLACES"] == "include conf.d/disk.conf;"
    assert none["WHARF_BLOB_LOCATIONS"] == plain["WHARF_BLOB_TLS"] == ""
    assert (plain["WHARF_BLOB_SERVER"], plain["WHARF_BLOB_HOST"]) == ("store:9000", "store:9000")
    assert (secure["WHARF_BLOB_SERVER"], secure["WHARF_BLOB_HOST"]) == ("store:443", "store")
    assert secure["WHARF_BLOB_TLS"] == "include snippets/object_store_tls.conf;"
