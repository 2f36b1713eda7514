"""The address of the object store, and its values in nginx's templates (ADR 54).

Only the upload service has the keys of the store. The service signs each request that nginx sends
to the store.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from wharf_gateway.tables import Setting
from wharf_gateway.terminal import CannotRunError

DISK = "disk"
BLOB_URL = Setting(
    "WHARF_BLOB_URL",
    "",
    "",
    "The place of the bytes of new files: "
    "`s3://bucket/prefix?endpoint=https://host:port&region=…`, with `&style=virtual` if "
    "the store requires it. Use the value of the upload service. Empty: the disk, in "
    "`WHARF_DATA`",
)
BLOB_OLD_URL = Setting(
    "WHARF_BLOB_OLD_URL",
    "",
    "",
    "The place of bytes that were stored before `WHARF_BLOB_URL` changed: `disk`, or the "
    "earlier `s3://…`. Use the value of the upload service",
)
BLOB_CA = Setting(
    "WHARF_BLOB_CA",
    "",
    "",
    "A file with the certificates (PEM) that verify the object store. Empty: the "
    "certificates of the system",
)
BLOB_SETTINGS = (BLOB_URL, BLOB_OLD_URL, BLOB_CA)

# The files in which operating systems keep the certificates that they trust.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
# The same rules as in the upload service (wharf_upload/domain/bucket_place.py); a test compares
# the two.
_PATH, _VIRTUAL = "path", "virtual"
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
_CA_PATH = re.compile(r"/[A-Za-z0-9/._-]+")
_ADDRESS = re.compile(r"[0-9.]+|\[.*")


class BlobStore:
    """An object store, as nginx connects to it.

    Attributes:
        scheme: `http` or `https`.
        name: the host name that nginx looks up, and that the certificate must contain.
        port: the port of the store.
        signed_host: the `Host` field that the signature of a request covers.
        ca: the file with the trusted certificates; empty without TLS.
    """

    __slots__ = ("ca", "name", "port", "scheme", "signed_host")

    def __init__(self, scheme: str, name: str, port: int, ca: str = "") -> None:
        self.scheme, self.name, self.port, self.ca = scheme, name, port, ca
        default = port == _DEFAULT_PORTS[scheme]
        self.signed_host = name if default else f"{name}:{port}"

    @property
    def address(self) -> str:
        """Return the name and port."""
        return f"{self.name}:{self.port}"


def blob_store(environ: Mapping[str, str]) -> BlobStore | None:
    """Return the object store that the settings name; None when all blobs are on the disk.

    Raises:
        CannotRunError: a setting does not describe an object store, or no certificates verify it.
    """
    for setting in (BLOB_URL, BLOB_OLD_URL):
        url = setting.read(environ)
        if url in ("", DISK):
            continue
        found = parse(url)
        if found is None:
            # The operator may have put the keys into the URL; they must not appear in a log.
            shown = "(hidden)" if "@" in url else repr(url)
            raise CannotRunError(f"{setting.name}={shown}: expected is a URL such as {_EXAMPLE}")
        if found.scheme == "https":
            if _ADDRESS.fullmatch(found.name):
                raise CannotRunError(
                    f"{setting.name}: {found.name} is an IP address, but nginx verifies only "
                    "certificates for names; use the host name of the store"
                )
            found.ca = _certificates(environ)
        return found
    return None


def parse(url: str) -> BlobStore | None:
    """Return the object store that a URL describes; None when the URL is not valid."""
    # Imported here because most gateways have no object store.
    from urllib.parse import parse_qsl, urlsplit

    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    said = parse_qsl(parts.query, keep_blank_values=True)
    fields = dict(said)
    endpoint = _ENDPOINT.fullmatch(fields.get("endpoint", ""))
    prefix = parts.path.strip("/")
    style = fields.get("style", _PATH)
    if (
        endpoint is None
        or parts.scheme != "s3"
        or parts.fragment
        or not fields.keys() <= _FIELDS
        or len(said) > len(fields)
        or not _BUCKET.fullmatch(parts.netloc)
        or not _PREFIX.fullmatch(f"{prefix}/" if prefix else "")
        or not _REGION.fullmatch(fields.get("region", "us-east-1"))
        or style not in (_PATH, _VIRTUAL)
    ):
        return None
    scheme, host = endpoint["scheme"], endpoint["host"]
    port = int(endpoint["port"] or _DEFAULT_PORTS[scheme])
    if not 0 < port < 1 << 16:
        return None
    return BlobStore(scheme, f"{parts.netloc}.{host}" if style == _VIRTUAL else host, port)


def template_values(store: BlobStore | None = None) -> dict[str, str]:
    """Return the values for an object store in nginx's templates; mostly empty without a store."""
    there = store is not None
    found = store or BlobStore("http", "127.0.0.1", 1)

    def only(line: str) -> str:
        return line if there else ""

    return {
        "WHARF_BLOB_PLACES": f"include conf.d/{'object_store' if there else 'disk'}.conf;",
        "WHARF_BLOB_LOCATIONS": only("include snippets/object_store.conf;"),
        "WHARF_BLOB_TLS": "include snippets/object_store_tls.conf;" if found.ca else "",
        "WHARF_BLOB_SERVER": found.address,
        "WHARF_BLOB_SCHEME": found.scheme,
        "WHARF_BLOB_HOST": found.signed_host,
        "WHARF_BLOB_NAME": found.name,
        "WHARF_BLOB_CA": found.ca or os.devnull,
        "WHARF_SHARED_SIGNED": only("include snippets/shared_signed.conf;"),
        "WHARF_SHARED_FILE_PLACE": (
            "$shared_file_place" if there else "/_shared/$shared_blob.$shared_kind"
        ),
        "WHARF_UNCHANGED": (
            "include snippets/unchanged_signed.conf;"
            if there
            else "proxy_pass http://blobs/_unchanged/$shared_blob;"
        ),
        "WHARF_PICTURE_SIGNED": only("include snippets/picture_signed.conf;"),
        "WHARF_BYTES_ELSEWHERE": only(
            "recursive_error_pages on; error_page 404 = @bytes_elsewhere;"
        ),
        "WHARF_BYTES_ON_STORE": only("include snippets/bytes_on_store.conf;"),
    }


def _certificates(environ: Mapping[str, str]) -> str:
    own = BLOB_CA.read(environ)
    for path in (own,) if own else _BUNDLES:
        if _CA_PATH.fullmatch(path) and os.access(path, os.R_OK):
            return path
    if own:
        raise CannotRunError(f"{BLOB_CA.name}={own!r}: Wharf cannot read this file")
    raise CannotRunError(
        f"{BLOB_CA.name}: this system has no certificates to verify an object store; install "
        "them (Debian: apt-get install ca-certificates), or name a file with certificates"
    )
