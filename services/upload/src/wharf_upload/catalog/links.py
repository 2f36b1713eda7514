"""Lists and ends signed links; decides which links a caller may see and end."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import msgspec

from servicekit.access import require_scope
from servicekit.pages import PAGE_BYTES
from servicekit.problems import NOT_FOUND
from servicekit.reaches import KnownReaches
from servicekit.tokens import Principal
from wharf_upload.access import link_metrics, reach
from wharf_upload.access.authorization import ADMINISTER
from wharf_upload.domain.kept_links import KeptLink, LinkFilter

# The size of a link's JSON without its target and the name of the download.
_LINK_BYTES = 400


class StoredLinks(Protocol):
    """The queries of the link catalog to the database; see `database.contract`."""

    def kept_link(self, tenant: str, link: str) -> KeptLink | None:
        """Return the link with this id, or `None`; the link may have expired."""

    def kept_links(
        self, tenant: str, wanted: LinkFilter, *, now: int, before: str, limit: int
    ) -> list[KeptLink]:
        """Return at most `limit` links that have not expired, with ids below `before`.

        The newest link comes first. An empty `before` means no bound.
        """

    def end_link(self, tenant: str, link: str) -> bool:
        """Delete a link; return whether it existed."""


class Feed(Protocol):
    """The state of auth's feed of revocations; see `servicekit.revocations`."""

    @property
    def reaches(self) -> KnownReaches:
        """Return the known reaches of people, clients and groups."""

    def has_revoked(self, tokens: tuple[str, ...]) -> bool:
        """Tell whether one of the tokens with these ids was revoked."""


class SeenLink(NamedTuple):
    """A link, and whether its maker may read all that the link shows.

    Without this right the link is suspended.
    """

    link: KeptLink
    may_read: bool


class LinksPage(NamedTuple):
    """A page of links; the next page starts below the id `next_before`, `None` on the last page."""

    links: tuple[SeenLink, ...]
    next_before: str | None


class LinkCatalog:
    """The links of all tenants.

    A caller sees the links that it made. An administrator sees all links of the tenant: a caller
    with the scope `buckets:admin` and without grants.
    """

    def __init__(self, stored: StoredLinks, feed: Feed, clock: Callable[[], float]) -> None:
        """Take a `clock` of unix seconds."""
        self._stored, self._feed, self._clock = stored, feed, clock

    def page(self, caller: Principal, wanted: LinkFilter, *, before: str, limit: int) -> LinksPage:
        """Return the links that the caller may see, the newest first.

        The page omits links that the caller's grants do not reach, and links of revoked tokens, so
        it may be short. Raises `OutsideGrants` and the problem `insufficient-scope` if the caller
        asks for links of another maker without permission.
        """
        wanted = msgspec.structs.replace(wanted, maker=_maker(caller, wanted.maker))
        rows = self._stored.kept_links(
            caller.tenant, wanted, now=self._now(), before=before, limit=limit + 1
        )
        page = rows[: _fitting(rows[:limit])]
        seen = tuple(
            self._seen(link)
            for link in page
            if _is_reached(caller, link) and not self._feed.has_revoked(link.tokens)
        )
        return LinksPage(seen, page[-1].id if len(rows) > len(page) else None)

    def find(self, caller: Principal, name: str) -> SeenLink:
        """Return a link.

        Raises the problem `not-found` if the caller can see no link with this id.
        """
        link = self._stored.kept_link(caller.tenant, name)
        if (
            link is None
            or link.expires_at <= self._now()
            or not (_administers(caller) or _is_own(caller, link))
            or self._feed.has_revoked(link.tokens)
        ):
            raise NOT_FOUND("There is no link with this id.")
        return self._seen(link)

    def end(self, caller: Principal, name: str) -> None:
        """End a link; raises the errors of `find`."""
        link = self.find(caller, name).link
        self._stored.end_link(caller.tenant, name)
        is_own = link.maker.subject == caller.subject
        link_metrics.ended("maker" if is_own else "administrator")

    def _seen(self, link: KeptLink) -> SeenLink:
        may_read = self._feed.reaches.still_reads(link.tenant, link.maker, link.bucket, link.target)
        return SeenLink(link, may_read)

    def _now(self) -> int:
        return int(self._clock() * 1000)


def _fitting(links: list[KeptLink]) -> int:
    """Return how many of the links fit on a page; long names need more space."""
    size = 0
    for count, link in enumerate(links, 1):
        size += _LINK_BYTES + len(link.target.encode()) + len(link.filename.encode())
        if size >= PAGE_BYTES:
            return count
    return len(links)


def _maker(caller: Principal, asked: str | None) -> str | None:
    """Return the maker of the links to list, or `None` for all makers.

    `asked` is the maker that the caller asks for. Raises the errors of `LinkCatalog.page`.
    """
    if _administers(caller):
        return asked
    if asked not in (None, caller.subject):
        require_scope(caller, ADMINISTER)
        reach.require_everything(caller)
    return caller.subject


def _administers(caller: Principal) -> bool:
    return ADMINISTER in caller.scopes and caller.reach.is_everything


def _is_own(caller: Principal, link: KeptLink) -> bool:
    return link.maker.subject == caller.subject and _is_reached(caller, link)


def _is_reached(caller: Principal, link: KeptLink) -> bool:
    """Tell whether the caller may read everything that the link shows."""
    if link.is_prefix:
        return caller.reach.covers("read", link.bucket, link.target)
    return caller.reach.allows("read", link.bucket, link.target)
