"""Signed links: their tokens, and the keys that sign them.

A token is the base64url (RFC 4648 section 5, no padding) of a MessagePack payload and its
HMAC-SHA256. The payload has all data that is needed to serve the link. The records are queried only
for the tenant's key, the link's row, the bucket and the current file. A link names a key, not a
version, so it shows the file that has this key at the time of the request.
"""

from __future__ import annotations

import hmac
import threading
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Protocol

import msgspec

from servicekit.database import DatabaseUnavailable
from servicekit.reaches import Maker
from wharf_upload.domain import keys
from wharf_upload.domain.dispositions import Kind

MAC_BYTES = 32
# How long a process caches a key; after this time, a rotation applies in all processes.
REMEMBERED_SECONDS = 2.0
# The largest length of a token. A token of this service contains a key, a name and some short
# fields, which always fit.
MAX_TOKEN_CHARACTERS = 5120
_PURPOSE = b"wharf signed link 1\0"
_NO_KEY = bytes(32)


class Link(msgspec.Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True):
    """The access that a link gives until `expires_at` (unix seconds).

    `target` is a key or, with `is_prefix`, a prefix of keys. `name` is the name of the download; if
    it is empty, the download has the file's name. The link is valid only while its `maker` may read
    the files that it shows. Links from releases without grants have no maker and stay valid.

    `row` is the id of the link's row, in 16 bytes; the link ends when the row is deleted. A link
    without a row is in no list, has a short lifetime, and ends when one of the tokens with the ids
    `tokens` is revoked. Links from releases without rows have neither a row nor tokens; only a
    rotation of the tenant's key ends such links before they expire.

    A link with members that this release does not know is refused, because a newer release may use
    these members to restrict the link (ADR 34).
    """

    tenant: str
    bucket: str
    target: str
    is_prefix: bool
    expires_at: int
    disposition: Kind
    name: str = ""
    maker: Maker | None = None
    row: bytes = b""
    tokens: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return the id of the link's row; empty if the link has none."""
        return self.row.hex()


class BadLink(Exception):
    """The link is not from this service, or it has ended; clients do not learn the reason."""


class BadSignature(BadLink):
    """The key that was given did not sign the link; a newer key may have signed it."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Link)


def sign(link: Link, key: bytes) -> str:
    """Return the token of a link."""
    payload = _encoder.encode(link)
    return urlsafe_b64encode(payload + _mac(payload, key)).decode().rstrip("=")


def verify(token: str, key_of: Callable[[str], bytes | None], now: float) -> Link:
    """Return the link of a token. `key_of` returns a tenant's key.

    Raises `BadSignature` if that key did not sign the link, and otherwise `BadLink`.

    The function computes a signature for every well-formed token (base64url, not too long), so it
    takes as long for a wrong signature as for a valid one.
    """
    raw = _bytes(token)
    payload, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
    try:
        link = _decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        hmac.compare_digest(mac, _mac(payload, _NO_KEY))
        raise BadLink from None
    key = _key(link.tenant, key_of)
    good = hmac.compare_digest(mac, _mac(payload, key or _NO_KEY))
    if key is None or not good:
        raise BadSignature
    if link.expires_at <= now:
        raise BadLink
    return link


def _key(tenant: str, key_of: Callable[[str], bytes | None]) -> bytes | None:
    """Return the key of a tenant, or `None`; no signature has verified the tenant's name yet.

    The function looks only for valid names: PostgreSQL accepts no NUL in a text, and the cache also
    stores names of unknown tenants.
    """
    try:
        return key_of(keys.tenant_name(tenant))
    except keys.InvalidTenantName:
        return None


def _mac(payload: bytes, key: bytes) -> bytes:
    return hmac.digest(key, _PURPOSE + payload, "sha256")


def _bytes(token: str) -> bytes:
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise BadLink
    try:
        raw = urlsafe_b64decode(token.encode("ascii") + b"==")  # Too much padding is no error.
    except ValueError:
        raise BadLink from None
    # Accept only one spelling: the decoder ignores characters that are not base64, and some bits of
    # the last character.
    if urlsafe_b64encode(raw).decode().rstrip("=") != token:
        raise BadLink
    return raw


class KeySource(Protocol):
    """The stored keys; see `database.link_contract`."""

    def link_key(self, tenant: str, *, create: bool = False) -> bytes | None:
        """Return the tenant's key or `None`; with `create`, make a key if there is none."""


class LinkKeys:
    """The tenants' keys, cached for `seconds`, or longer while the database is unavailable.

    After a rotation, all processes refuse the old key within `seconds`. While the database is
    unavailable, processes keep the old key, and links that were valid stay valid.
    """

    def __init__(
        self,
        source: KeySource,
        *,
        seconds: float = REMEMBERED_SECONDS,
        entries: int = 4096,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source, self._clock = source, clock
        self._seconds, self._entries = seconds, entries
        self._known: dict[str, tuple[float, bytes | None]] = {}
        self._lock = threading.Lock()

    def find(self, tenant: str, *, ask: bool = True) -> bytes | None:
        """Return the tenant's key, or `None`; raises `DatabaseUnavailable`.

        Without `ask`, do not query the database: return the cached key, even if it is old, or raise
        if no key is cached.
        """
        known = self._known.get(tenant)
        now = self._clock()
        if known is not None and (now < known[0] or not (ask or known[1] is None)):
            return known[1]
        if not ask:
            raise DatabaseUnavailable("the key of the links is not known")
        key = self._source.link_key(tenant)
        self._remember(tenant, key, now)
        return key

    def find_newest(self, tenant: str) -> bytes | None:
        """Return the tenant's stored key, or `None`; raises `DatabaseUnavailable`.

        A process with an older key in its cache verifies a link with this method, because another
        process may have made the link after a rotation.
        """
        self.forget(tenant)
        return self.find(tenant)

    def make(self, tenant: str) -> bytes:
        """Return the tenant's key for signing; make a key if there is none."""
        key = self._source.link_key(tenant, create=True)
        if key is None:
            raise DatabaseUnavailable("the key of the links was not stored")
        self._remember(tenant, key, self._clock())
        return key

    def _remember(self, tenant: str, key: bytes | None, now: float) -> None:
        with self._lock:
            if len(self._known) >= self._entries:
                self._known.clear()
            self._known[tenant] = (now + self._seconds, key)

    def forget(self, tenant: str) -> None:
        """Remove the tenant's key from the cache of this process after a rotation."""
        self._known.pop(tenant, None)
