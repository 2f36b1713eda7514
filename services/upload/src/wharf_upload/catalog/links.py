"""Signed links that were made: judges which of them a caller sees and may end."""

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

# Of a link's JSON, beside what it shows and what the download is called.
_LINK_BYTES = 400


class StoredLinks(Protocol):
    """What is asked of the database; see `database.contract`."""

    def kept_link(self, tenant: str, link: str) -> KeptLink | None:
        """Return the link with this id, also one that has expired."""

    def kept_links(
        self, tenant: str, wanted: LinkFilter, *, now: int, before: str, limit: int
    ) -> list[KeptLink]:
        """Return links that have not expired, the newest first, those past the id `before`."""

    def end_link(self, tenant: str, link: str) -> bool:
        """Remove a link; return whether it was there."""


class Feed(Protocol):
    """What the feed of `auth` says; see `servicekit.revocations`."""

    @property
    def reaches(self) -> KnownReaches:
        """Return what is known of people, clients and groups."""

    def has_revoked(self, tokens: tuple[str, ...]) -> bool:
        """Tell whether one of the tokens with these ids was revoked."""


class SeenLink(NamedTuple):
    """A link; it shows nothing while its maker `may_read` nothing of what it shows."""

    link: KeptLink
    may_read: bool


class LinksPage(NamedTuple):
    """A page of them; `next_before` is where the next one starts, `None` at the end."""

    links: tuple[SeenLink, ...]
    next_before: str | None


class LinkCatalog:
    """The links of all tenants: those that callers made, all of them for administrators."""

    def __init__(self, stored: StoredLinks, feed: Feed, clock: Callable[[], float]) -> None:
        """`clock` gives unix seconds."""
        self._stored, self._feed, self._clock = stored, feed, clock

    def page(self, caller: Principal, wanted: LinkFilter, *, before: str, limit: int) -> LinksPage:
        """Return the links that the caller may see, the newest first.

        What its grants do not reach, and what was made with a token that is revoked, is left out: a
        page may be short. Raises `OutsideGrants` and the problem `insufficient-scope` for links of
        another maker.
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
        """Return a link; raises the problem `not-found` where there is none for the caller."""
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
        """End a link; raises as `find`."""
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
    """Return how many links a page takes: names may be long."""
    size = 0
    for count, link in enumerate(links, 1):
        size += _LINK_BYTES + len(link.target.encode()) + len(link.filename.encode())
        if size >= PAGE_BYTES:
            return count
    return len(links)


def _maker(caller: Principal, asked: str | None) -> str | None:
    """Return the maker whose links are shown, `None` for all makers."""
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
    """Tell whether the caller could make the link now: a narrowed token sees no others."""
    if link.is_prefix:
        return caller.reach.covers("read", link.bucket, link.target)
    return caller.reach.allows("read", link.bucket, link.target)
