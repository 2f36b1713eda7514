"""Makes signed links, and revokes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from servicekit.problems import UNPROCESSABLE
from wharf_upload.access import links
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


class LinkMaker:
    """Makes the links of all tenants."""

    def __init__(
        self,
        stored: Stored,
        link_keys: LinkKeys,
        clock: Callable[[], float],
        *,
        max_seconds: int,
    ) -> None:
        """`clock` gives unix seconds; no link is good for longer than `max_seconds`."""
        self._stored, self._link_keys, self._clock = stored, link_keys, clock
        self._max_seconds = max_seconds

    def to_file(
        self, tenant: str, bucket: str, key: str, expires_in: int, kind: Kind, filename: str | None
    ) -> Link:
        """Return a link to one file; `filename` is what the download is called.

        Raises `NoSuchBucket`, `NoSuchFile`, `InvalidName` and the problem `unprocessable-content`.
        """
        now = self._allowed_from(tenant, bucket, expires_in)
        target = keys.object_key_text(key)
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
        )

    def to_prefix(self, tenant: str, bucket: str, prefix: str, expires_in: int, kind: Kind) -> Link:
        """Return a link to all files below a prefix; raises as `to_file`."""
        now = self._allowed_from(tenant, bucket, expires_in)
        target = keys.prefix(prefix)
        # A prefix is a folder: `img` must not open `img-internal/…`.
        if target and not target.endswith("/"):
            target = keys.prefix(target + "/")
        return Link(
            tenant=tenant,
            bucket=bucket,
            target=target,
            is_prefix=True,
            expires_at=int(now) + expires_in,
            disposition=kind,
        )

    def sign(self, link: Link) -> str:
        """Return the token of a link."""
        return links.sign(link, self._link_keys.make(link.tenant))

    def revoke_all(self, tenant: str) -> None:
        """Make every link void that the tenant made so far."""
        self._stored.rotate_link_key(tenant)
        self._link_keys.forget(tenant)

    def _allowed_from(self, tenant: str, bucket: str, expires_in: int) -> float:
        """The unix seconds from which the link is good."""
        if expires_in > self._max_seconds:
            raise UNPROCESSABLE(
                f"expires_in is at most {self._max_seconds} seconds.",
                limit_seconds=self._max_seconds,
            )
        if self._stored.bucket(tenant, bucket) is None:
            raise NoSuchBucket(bucket)
        return self._clock()
