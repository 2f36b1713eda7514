"""Makes signed links, and revokes all links of a tenant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from servicekit.ids import uuid7_hex
from servicekit.problems import UNPROCESSABLE
from servicekit.reaches import KnownReaches, Maker
from servicekit.tokens import Principal
from wharf_upload.access import link_metrics, links, reach
from wharf_upload.access.links import Link, LinkKeys
from wharf_upload.domain import keys
from wharf_upload.domain.buckets import Bucket
from wharf_upload.domain.dispositions import Kind
from wharf_upload.domain.files import File
from wharf_upload.domain.kept_links import KeptLink
from wharf_upload.domain.refusals import NoSuchBucket, NoSuchFile

DEFAULT_SECONDS = 3600
#: A link without a row is in no list and cannot be ended alone, so its lifetime is short.
MAX_UNLISTED_SECONDS = 300


class Stored(Protocol):
    """The queries of the link maker to the database; see `database.contract`."""

    def bucket(self, tenant: str, name: str) -> Bucket | None:
        """Return the bucket, or `None`."""

    def file(self, tenant: str, bucket: str, key: str) -> File | None:
        """Return the file with this key, or `None`; the file may have expired."""

    def rotate_link_key(self, tenant: str) -> None:
        """Replace the tenant's secret key, which invalidates all links signed with the old one."""

    def keep_link(self, link: KeptLink) -> None:
        """Store a link; raises `LimitReached` if the tenant has too many links."""

    def end_links(self, tenant: str, until: int) -> int:
        """Delete the links that a tenant made up to the time `until`, in batches.

        `until` is in unix milliseconds. Return how many links were deleted.
        """


class Feed(Protocol):
    """The state of auth's feed of revocations; see `servicekit.revocations`."""

    @property
    def reaches(self) -> KnownReaches:
        """Return the known reaches of people, clients and groups."""


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
        """Take a `clock` of unix seconds; `max_seconds` is the longest lifetime of a link."""
        self._stored, self._link_keys, self._feed = stored, link_keys, feed
        self._clock, self._max_seconds = clock, max_seconds

    def to_file(
        self,
        maker: Principal,
        bucket: str,
        key: str,
        expires_in: int | None,
        kind: Kind,
        filename: str | None,
    ) -> Link:
        """Return a link to one file; `filename` is the name of the download.

        Without `expires_in`, the link is valid for an hour, or for less time if `max_seconds` or
        the maker's token permits less. Raises `NoSuchBucket`, `NoSuchFile`, `OutsideGrants`,
        `InvalidName` and the problem `unprocessable`.
        """
        tenant = maker.tenant
        now, expires_at = self._times(maker, bucket, expires_in)
        target = keys.object_key_text(key)
        reach.require(maker, "read", bucket, target)
        file = self._stored.file(tenant, bucket, target)
        if file is None or file.is_expired(int(now * 1000)):
            raise NoSuchFile
        return Link(
            tenant=tenant,
            bucket=bucket,
            target=target,
            is_prefix=False,
            expires_at=expires_at,
            disposition=kind,
            name="" if filename is None else keys.file_name(filename),
            maker=self._right(maker, bucket, target),
        )

    def to_prefix(
        self, maker: Principal, bucket: str, prefix: str, expires_in: int | None, kind: Kind
    ) -> Link:
        """Return a link to all files below a prefix.

        Raises the errors of `to_file` except `NoSuchFile`.
        """
        _, expires_at = self._times(maker, bucket, expires_in)
        target = keys.prefix(prefix)
        # The prefix must end with a slash: a link to `img` must not show `img-internal/…`.
        if target and not target.endswith("/"):
            target = keys.prefix(target + "/")
        reach.require_below(maker, "read", bucket, target)
        return Link(
            tenant=maker.tenant,
            bucket=bucket,
            target=target,
            is_prefix=True,
            expires_at=expires_at,
            disposition=kind,
            maker=self._right(maker, bucket, target),
        )

    def hand_out(self, maker: Principal, link: Link, *, listed: bool) -> tuple[str, str]:
        """Store a link if it is `listed`; return its id ("" if not listed) and its token.

        Raises `LimitReached`, and the problem `unprocessable` for an unlisted link that is valid
        for more than `MAX_UNLISTED_SECONDS`.
        """
        now = self._clock()
        # The link ends when one of these tokens is revoked.
        tokens = (*maker.parents, maker.token_id)
        key = self._link_keys.make(link.tenant)
        if listed:
            link = msgspec.structs.replace(link, row=bytes.fromhex(uuid7_hex()))
            self._stored.keep_link(_kept(link, maker, tokens, int(now * 1000)))
        elif link.expires_at > int(now) + MAX_UNLISTED_SECONDS:
            raise UNPROCESSABLE(
                f"A link that is not listed is valid for at most {MAX_UNLISTED_SECONDS} seconds.",
                limit_seconds=MAX_UNLISTED_SECONDS,
            )
        else:
            link = msgspec.structs.replace(link, tokens=tokens)
        link_metrics.made(listed=listed)
        return link.id, links.sign(link, key)

    def revoke_all(self, tenant: str) -> None:
        """Invalidate all links that the tenant has made so far."""
        self._stored.rotate_link_key(tenant)
        self._link_keys.forget(tenant)
        # The new key has invalidated the signatures of the links. Delete the rows of these links,
        # so that lists no longer show them.
        count = self._stored.end_links(tenant, int(self._clock() * 1000))
        link_metrics.ended("rotation", count)

    def _right(self, maker: Principal, bucket: str, target: str) -> Maker:
        """Return the right by which the maker may read the link's target.

        The service checks this right again at each request for the link.
        """
        right = self._feed.reaches.maker_of(maker, bucket, target)
        # Links should be short: if the maker's own right suffices, the link names neither the
        # maker's groups nor the maker's user name.
        alone = Maker(right.subject, right.version)
        return alone if msgspec.structs.replace(right, groups=(), username="") == alone else right

    def _times(self, maker: Principal, bucket: str, expires_in: int | None) -> tuple[float, int]:
        """Return the start and the end of the link's validity in unix seconds.

        Raises `NoSuchBucket` if the bucket does not exist or no grant of the maker names it, and
        the problem `unprocessable` for a lifetime that is not permitted. A link that was made with
        an exchanged token ends with that token at the latest. Other tokens do not limit the link,
        because their holder could get a new token and make a link with the new one.
        """
        now = self._clock()
        most, why = self._max_seconds, ""
        if not maker.is_original and (left := maker.expires_at - int(now)) < most:
            most, why = max(0, left), ": the token expires then, and its links end with it"
        seconds = min(DEFAULT_SECONDS, most) if expires_in is None else expires_in
        if seconds > most or not seconds:
            raise UNPROCESSABLE(f"expires_in is at most {most} seconds{why}.", limit_seconds=most)
        reach.require_bucket(maker, bucket)
        if self._stored.bucket(maker.tenant, bucket) is None:
            raise NoSuchBucket
        return now, int(now) + seconds


def _kept(link: Link, maker: Principal, tokens: tuple[str, ...], now: int) -> KeptLink:
    return KeptLink(
        tenant=link.tenant,
        id=link.id,
        bucket=link.bucket,
        target=link.target,
        is_prefix=link.is_prefix,
        disposition=link.disposition,
        filename=link.name,
        maker=link.maker or Maker(maker.subject),
        tokens=tokens,
        created_at=now,
        expires_at=link.expires_at * 1000,
    )
