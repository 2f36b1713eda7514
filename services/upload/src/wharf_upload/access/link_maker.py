"""Makes signed links, and revokes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from servicekit.problems import UNPROCESSABLE
from servicekit.reaches import KnownReaches, Maker
from servicekit.tokens import Principal
from wharf_upload.access import links, reach
from wharf_upload.access.links import Link, LinkKeys
from wharf_upload.domain import keys
from wharf_upload.domain.buckets import Bucket
from wharf_upload.domain.dispositions import Kind
from wharf_upload.domain.files import File
from wharf_upload.domain.refusals import NoSuchBucket, NoSuchFile


class Stored(Protocol):
    """What is asked of the database; see `database.contract`."""

    def bucket(self, tenant: str, name: str) -> Bucket | None:
        """Return the bucket."""

    def file(self, tenant: str, bucket: str, key: str) -> File | None:
        """Return the live file of this key."""

    def rotate_link_key(self, tenant: str) -> None:
        """Give the tenant a new secret: every link signed so far is void."""


class Feed(Protocol):
    """What the feed of `auth` says; see `servicekit.revocations`."""

    @property
    def reaches(self) -> KnownReaches:
        """Return what is known of people, clients and groups."""


class LinkMaker:
    """Makes the links of all tenants."""

    def __init__(
        self,
        stored: Stored,
        link_keys: LinkKeys,
        feed: Feed,
        clock: Callable[[], float],
        *,
        max_seconds: int,
    ) -> None:
        """`clock` gives unix seconds; no link is good for longer than `max_seconds`."""
        self._stored, self._link_keys, self._feed = stored, link_keys, feed
        self._clock, self._max_seconds = clock, max_seconds

    def to_file(
        self,
        maker: Principal,
        bucket: str,
        key: str,
        expires_in: int,
        kind: Kind,
        filename: str | None,
    ) -> Link:
        """Return a link to one file; `filename` is what the download is called.

        Raises `NoSuchBucket`, `NoSuchFile`, `InvalidName` and the problem `unprocessable-content`.
        """
        tenant = maker.tenant
        now = self._allowed_from(maker, bucket, expires_in)
        target = keys.object_key_text(key)
        reach.require(maker, "read", bucket, target)
        file = self._stored.file(tenant, bucket, target)
        if file is None or file.is_expired(int(now * 1000)):
            raise NoSuchFile(key)
        return Link(
            tenant=tenant,
            bucket=bucket,
            target=target,
            is_prefix=False,
            expires_at=int(now) + expires_in,
            disposition=kind,
            name="" if filename is None else keys.file_name(filename),
            maker=self._right(maker, bucket, target),
        )

    def to_prefix(
        self, maker: Principal, bucket: str, prefix: str, expires_in: int, kind: Kind
    ) -> Link:
        """Return a link to all files below a prefix; raises as `to_file`, and `OutsideGrants`."""
        now = self._allowed_from(maker, bucket, expires_in)
        target = keys.prefix(prefix)
        # A prefix is a folder: `img` must not open `img-internal/…`.
        if target and not target.endswith("/"):
            target = keys.prefix(target + "/")
        reach.require_below(maker, "read", bucket, target)
        return Link(
            tenant=maker.tenant,
            bucket=bucket,
            target=target,
            is_prefix=True,
            expires_at=int(now) + expires_in,
            disposition=kind,
            maker=self._right(maker, bucket, target),
        )

    def sign(self, link: Link) -> str:
        """Return the token of a link."""
        return links.sign(link, self._link_keys.make(link.tenant))

    def revoke_all(self, tenant: str) -> None:
        """Make every link void that the tenant made so far."""
        self._stored.rotate_link_key(tenant)
        self._link_keys.forget(tenant)

    def _right(self, maker: Principal, bucket: str, target: str) -> Maker:
        """Return by what right the maker shows what begins with the target: it is judged again."""
        right = self._feed.reaches.maker_of(maker, bucket, target)
        # A link is short: where the maker's own right is enough, nobody asks for groups.
        alone = Maker(right.subject, right.version)
        return alone if msgspec.structs.replace(right, groups=(), username="") == alone else right

    def _allowed_from(self, maker: Principal, bucket: str, expires_in: int) -> float:
        """The unix seconds from which the link is good."""
        if expires_in > self._max_seconds:
            raise UNPROCESSABLE(
                f"expires_in is at most {self._max_seconds} seconds.",
                limit_seconds=self._max_seconds,
            )
        reach.require_bucket(maker, bucket)
        if self._stored.bucket(maker.tenant, bucket) is None:
            raise NoSuchBucket(bucket)
        return self._clock()
