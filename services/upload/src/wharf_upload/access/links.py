"""Signed links: the token, and the keys that sign it.

A token is base64url (RFC 4648 section 5, no padding) of a MessagePack payload and its HMAC-SHA256.
It says all that is needed to serve; the records are asked only for the file that is there now, for
the tenant's key, and whether the link's row is still there. A link names a key, not a version: it
shows what lies there at the moment.
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
# How long a key is remembered: a rotation holds everywhere after that.
REMEMBERED_SECONDS = 2.0
# Longer ones cannot have been made here: a key, a name, and what stands around them.
MAX_TOKEN_CHARACTERS = 5120
_PURPOSE = b"wharf signed link 1\0"
_NO_KEY = bytes(32)


class Link(msgspec.Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True):
    """What a link gives access to until `expires_at` (unix seconds).

    `target` is a key, or with `is_prefix` what keys have to begin with. `name`: what the download
    is called; empty means as the file is. The link is good for as long as its `maker` may read what
    it shows; those of releases without grants have none, and go on as they are.

    `row` is the id of the link's row, in 16 bytes: the link ends with the row. A link without one
    is not listed: it is short, and ends with the `tokens` of these ids. Links of releases without
    rows have neither, and are good until they expire.

    A link with more members than these is refused: a newer release may narrow it by them (ADR 34).
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
        """The id of the row; empty where the link has none."""
        return self.row.hex()


class BadLink(Exception):
    """Not a link of ours, or not one any more. Nobody is told which."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Link)


def sign(link: Link, key: bytes) -> str:
    """The token of a link."""
    payload = _encoder.encode(link)
    return urlsafe_b64encode(payload + _mac(payload, key)).decode().rstrip("=")


def verify(token: str, key_of: Callable[[str], bytes | None], now: float) -> Link:
    """The link of a token; raises `BadLink`. `key_of` gives a tenant's key.

    A token that is wrong costs as much as a good one: it is signed in any case.
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
    if key is None or not good or link.expires_at <= now:
        raise BadLink
    return link


def _key(tenant: str, key_of: Callable[[str], bytes | None]) -> bytes | None:
    """Nobody has vouched for the tenant yet: only what can be a name is looked for.

    PostgreSQL takes no NUL in a text, and what is not found is remembered for a moment.
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
        raw = urlsafe_b64decode(token.encode("ascii") + b"==")  # more than enough is no error
    except ValueError:
        raise BadLink from None
    # One spelling only: decoding ignores foreign characters, and bits of the last one.
    if urlsafe_b64encode(raw).decode().rstrip("=") != token:
        raise BadLink
    return raw


class KeySource(Protocol):
    """Where keys are kept; see the records."""

    def link_key(self, tenant: str, *, create: bool = False) -> bytes | None:
        """The tenant's key."""


class LinkKeys:
    """The tenants' keys, remembered for `seconds`; for who cannot ask the database, longer.

    A rotation therefore holds everywhere after `seconds`, unless the database cannot be asked:
    then links that were good go on.
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
        """The tenant's key, or `None`; raises `DatabaseUnavailable`.

        Without `ask` only what is remembered counts, however long ago that was.
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

    def make(self, tenant: str) -> bytes:
        """The tenant's key for signing, made when there is none."""
        key = self._source.link_key(tenant, create=True)
        if key is None:
            raise DatabaseUnavailable("the key of the links was not kept")
        self._remember(tenant, key, self._clock())
        return key

    def _remember(self, tenant: str, key: bytes | None, now: float) -> None:
        with self._lock:
            if len(self._known) >= self._entries:
                self._known.clear()
            self._known[tenant] = (now + self._seconds, key)

    def forget(self, tenant: str) -> None:
        """The key was rotated: this process need not wait."""
        self._known.pop(tenant, None)
