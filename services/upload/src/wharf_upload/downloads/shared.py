"""Files that clients read without a token: through a signed link, or from a public bucket.

Every fault of a link or an address gets the same response, as if there were no file.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

from servicekit.database import DatabaseUnavailable
from servicekit.reaches import KnownReaches
from wharf_upload.access import links
from wharf_upload.access.links import BadLink, BadSignature, Link, LinkKeys
from wharf_upload.domain import keys
from wharf_upload.domain.buckets import Bucket, Policy
from wharf_upload.domain.dispositions import Kind
from wharf_upload.domain.files import File
from wharf_upload.domain.keys import path_bytes
from wharf_upload.downloads import headers

LINKS, PUBLIC = "/s/", "/public/"
# A short time, so that deleted files and suspended tenants disappear from shared caches quickly.
PUBLIC_CACHE = "public, max-age=2, must-revalidate"


class NotShared(Exception):
    """No file is shared here, for any reason."""


class Address(NamedTuple):
    """The meaning of a path: the bucket, the key, and how the file may be shown.

    `until` is when the address expires, in unix seconds, or `None` for a public address.
    """

    tenant: str
    bucket: str
    key: str
    is_public: bool
    kind: Kind = "inline"
    name: str = ""
    until: float | None = None


class Shared(NamedTuple):
    """A shared file with its address and its bucket's policy."""

    file: File
    address: Address
    policy: Policy

    @property
    def until(self) -> float | None:
        """Return when the response expires, in unix seconds; `None` if it does not expire.

        The response expires with the link or with the file, whichever expires first.
        """
        ends = [self.address.until]
        if self.file.expires_at is not None:
            ends.append(self.file.expires_at / 1000)
        return min((end for end in ends if end is not None), default=None)

    @property
    def cache_control(self) -> str:
        """Return the Cache-Control field."""
        return PUBLIC_CACHE if self.address.is_public else headers.PRIVATE

    def disposition(self, download_name: str | None) -> str:
        """Return the Content-Disposition field."""
        return headers.disposition_of(
            self.file, download_name, kind=self.address.kind, name=self.address.name
        )


def is_shared(path: str) -> bool:
    """Tell whether a raw path is that of a signed link or of a public bucket."""
    return path.startswith((LINKS, PUBLIC))


class StoredFiles(Protocol):
    """The queries for shared files; see `database.contract`."""

    def bucket(self, tenant: str, name: str) -> Bucket | None:
        """Return the bucket, or `None`."""

    def file(self, tenant: str, bucket: str, key: str) -> File | None:
        """Return the file with this key, or `None`; the file may have expired."""

    def tokens_of_link(self, tenant: str, link: str) -> tuple[str, ...] | None:
        """Return the ids of the tokens that a link depends on, or `None` if the link has ended."""


class Feed(Protocol):
    """The feed of revocations; see `servicekit.revocations`."""

    @property
    def reaches(self) -> KnownReaches:
        """Return the known reaches of people, clients and groups."""

    def has_revoked(self, tokens: tuple[str, ...]) -> bool:
        """Tell whether one of the tokens with these ids was revoked."""

    def tenant_state(self, tenant: str) -> str:
        """Return `active`, or another state of the tenant, in which its files are not shared."""


class Breaker(Protocol):
    """Limits the requests to an unavailable database; see `database.circuit_breaker`."""

    def is_open(self) -> bool:
        """Return whether the caller must not query the database.

        After `False` the caller must record the outcome.
        """

    def record_failure(self) -> None:
        """Note that the database did not respond."""

    def record_success(self) -> None:
        """Note that the database responded."""

    def record_unknown(self) -> None:
        """Note that the database was not asked after all."""


class SharedFiles:
    """Finds the files of links and public addresses.

    While the database is unavailable, the class finds no file: it raises `NotShared` if it can
    refuse the address from memory, otherwise `DatabaseUnavailable`.
    """

    def __init__(
        self,
        stored: StoredFiles,
        link_keys: LinkKeys,
        feed: Feed,
        breaker: Breaker,
        clock: Callable[[], float],
    ) -> None:
        """Take a `clock` of unix seconds."""
        self._stored, self._link_keys, self._feed = stored, link_keys, feed
        self._breaker, self._clock = breaker, clock

    def find(self, path: str) -> Shared:
        """Return the file that a path shows now; raises `NotShared` and `DatabaseUnavailable`.

        While the database is unavailable, only one request every few seconds asks the database.
        """
        if self._breaker.is_open():
            return self._find(path, ask=False)
        try:
            found = self._find(path, ask=True)
        except DatabaseUnavailable:
            self._breaker.record_failure()
            return self._find(path, ask=False)
        except BaseException:
            self._breaker.record_unknown()
            raise
        self._breaker.record_success()
        return found

    def _address_of(self, path: str, *, ask: bool) -> Address:
        """Return the meaning of a path, after verifying that a link is valid.

        Without `ask` the method uses only data in memory. Raises `NotShared` and
        `DatabaseUnavailable`.
        """
        try:
            if path.startswith(LINKS):
                return self._link(path[len(LINKS) :], ask=ask)
            if path.startswith(PUBLIC):
                return _public(path[len(PUBLIC) :])
        except (BadLink, keys.InvalidName):
            raise NotShared from None
        raise NotShared

    def _find(self, path: str, *, ask: bool) -> Shared:
        """Return the file of a path.

        Without `ask` the method always raises an error: `NotShared` if data in memory suffice to
        refuse the path, for example a wrong signature, a revoked token or a suspended tenant, and
        otherwise `DatabaseUnavailable`, so that the gateway may use an earlier decision.
        """
        address = self._address_of(path, ask=ask)
        if self._feed.tenant_state(address.tenant) != "active":
            raise NotShared
        if not ask:
            raise DatabaseUnavailable("the database did not respond a moment ago")
        bucket = self._stored.bucket(address.tenant, address.bucket)
        if bucket is None or (address.is_public and not bucket.policy.public):
            raise NotShared
        file = self._stored.file(address.tenant, address.bucket, address.key)
        now_milliseconds = int(self._clock() * 1000)
        if file is None or file.state != "available" or file.is_expired(now_milliseconds):
            raise NotShared
        return Shared(file, address, bucket.policy)

    def _link(self, rest: str, *, ask: bool) -> Address:
        token, slash, below = rest.partition("/")
        link = self._verified(token, ask=ask)
        wanted = link.target
        if link.is_prefix:
            wanted = keys.object_key(wanted.encode() + path_bytes(below))
            # Unicode normalization may combine the first character of the rest with the end of the
            # prefix.
            if not wanted.startswith(link.target):
                raise NotShared
        elif slash:
            raise NotShared
        if not self._is_shown(link, wanted) or (ask and link.id and not self._is_kept(link)):
            raise NotShared
        return Address(
            tenant=link.tenant,
            bucket=link.bucket,
            key=wanted,
            is_public=False,
            kind=link.disposition,
            name=link.name,
            until=link.expires_at,
        )

    def _verified(self, token: str, *, ask: bool) -> Link:
        now = self._clock()
        try:
            return links.verify(token, partial(self._link_keys.find, ask=ask), now)
        except BadSignature:
            if not ask:
                raise
            return links.verify(token, self._link_keys.find_newest, now)

    def _is_shown(self, link: Link, key: str) -> bool:
        """Tell whether the maker may still read the key, and no token in the link was revoked."""
        if self._feed.has_revoked(link.tokens):
            return False
        maker = link.maker
        return maker is None or self._feed.reaches.still_reads(link.tenant, maker, link.bucket, key)

    def _is_kept(self, link: Link) -> bool:
        """Tell whether the link's row exists and none of the link's tokens is revoked."""
        tokens = self._stored.tokens_of_link(link.tenant, link.id)
        return tokens is not None and not self._feed.has_revoked(tokens)


def _public(rest: str) -> Address:
    tenant, _, rest = rest.partition("/")
    bucket, _, key = rest.partition("/")
    return Address(
        tenant=keys.tenant_name(tenant),
        bucket=keys.bucket_name(bucket),
        key=keys.object_key(path_bytes(key)),
        is_public=True,
    )
