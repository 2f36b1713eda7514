"""Where an object store keeps blobs: `s3://bucket/prefix?endpoint=…&region=…&style=…`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

PATH, VIRTUAL = "path", "virtual"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*")
_REGION = re.compile(r"[a-z0-9-]{1,64}")
_ENDPOINT = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?/?"
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_FIELDS = {"endpoint", "region", "style"}
_EXAMPLE = "s3://bucket/prefix?endpoint=https://s3.example.net&region=us-east-1&style=path"


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """The place of blobs on an object store.

    `prefix` begins the names of all objects; it is empty or ends with `/`. `scheme`, `host` and
    `port` are those of the endpoint. `style` states where a request names the bucket: in the path
    (`path`) or in the host (`virtual`).
    """

    bucket: str
    prefix: str
    scheme: str
    host: str
    port: int
    region: str
    style: str

    @property
    def endpoint(self) -> str:
        """Return the URL of the store, without the bucket."""
        return f"{self.scheme}://{_authority(self.scheme, self.host, self.port)}"

    @property
    def signed_host(self) -> str:
        """Return the `Host` field of a request for an object."""
        bucket = f"{self.bucket}." if self.style == VIRTUAL else ""
        return bucket + _authority(self.scheme, self.host, self.port)

    @property
    def base_path(self) -> str:
        """Return the part before an object's key in the path of a request."""
        return "/" if self.style == VIRTUAL else f"/{self.bucket}/"


def parse_bucket_place(url: str) -> BucketPlace:
    """Return the place that a URL names; raises `ValueError` with the expected form."""
    place = _parsed(url)
    if place is None:
        # The URL may contain credentials, which belong in a file and must not reach a log.
        shown = "(hidden)" if "@" in url else repr(url)
        raise ValueError(f"{shown}: expected a URL like {_EXAMPLE}")
    return place


def _parsed(url: str) -> BucketPlace | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    said = parse_qsl(parts.query, keep_blank_values=True)
    fields = dict(said)
    endpoint = _ENDPOINT.fullmatch(fields.get("endpoint", ""))
    prefix = parts.path.strip("/")
    prefix = f"{prefix}/" if prefix else ""
    place = None
    if endpoint is not None and endpoint["host"] is not None:
        scheme = endpoint["scheme"]
        place = BucketPlace(
            bucket=parts.netloc,
            prefix=prefix,
            scheme=scheme,
            host=endpoint["host"],
            port=int(endpoint["port"] or _DEFAULT_PORTS[scheme]),
            region=fields.get("region", "us-east-1"),
            style=fields.get("style", PATH),
        )
    if (
        place is None
        or parts.scheme != "s3"
        or parts.fragment
        or not fields.keys() <= _FIELDS
        or len(said) > len(fields)
        or not _BUCKET.fullmatch(place.bucket)
        or not _PREFIX.fullmatch(place.prefix)
        or not _REGION.fullmatch(place.region)
        or place.style not in (PATH, VIRTUAL)
        or not 0 < place.port < 1 << 16
    ):
        return None
    return place


def _authority(scheme: str, host: str, port: int) -> str:
    return host if port == _DEFAULT_PORTS[scheme] else f"{host}:{port}"
