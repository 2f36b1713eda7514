"""Ends links that were made with tokens that are revoked now.

Each decision about a link also reads the feed of revocations. But the feed drops its entries about
tokens after a day, and a link may be valid for longer. So the worker must remove the row of the
link before the feed drops the entry.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol

from servicekit.tokens import LEEWAY_SECONDS, MAX_LIFETIME_SECONDS
from wharf_upload.access import link_metrics

_AT_ONCE = 500
# A token is valid for a day, it can be revoked for another day, and the feed keeps the entry for a
# third day. The feed has no entries for the tokens of older links.
_LOOKED_BACK_SECONDS = 3 * (MAX_LIFETIME_SECONDS + 2 * LEEWAY_SECONDS)


class StoredLinks(Protocol):
    """The queries and changes for links; see `database.contract`."""

    def recent_links(
        self, tenant: str, after: str, limit: int
    ) -> list[tuple[str, tuple[str, ...]]]:
        """Return the ids and token ids of at most `limit` links after an id, the oldest first."""

    def remove_links(self, tenant: str, links: list[str]) -> None:
        """Remove links; an id without a link has no effect."""


class Feed(Protocol):
    """The feed of revocations from `auth`; see `servicekit.revocations`."""

    def newest_revocations(self) -> Mapping[str, int]:
        """Return for each tenant with revoked tokens the number of its newest entry."""

    def has_revoked(self, tokens: tuple[str, ...]) -> bool:
        """Tell whether one of the tokens with these ids was revoked."""


class RevokedLinks:
    """Checks the new links of tenants that have revoked a token since the last check."""

    def __init__(
        self, stored: StoredLinks, feed: Feed, clock: Callable[[], float] = time.time
    ) -> None:
        """Create the checks; `clock` returns unix seconds."""
        self._stored, self._feed, self._clock = stored, feed, clock
        self._seen: Mapping[str, int] = {}

    def end(self, *, of_all: bool = False) -> int:
        """Remove links that were made with revoked tokens; return their number.

        `of_all` also checks the tenants without new revocations.
        """
        newest, count = self._feed.newest_revocations(), 0
        for tenant, number in sorted(newest.items()):
            if of_all or self._seen.get(tenant) != number:
                count += self._end(tenant)
        # Set this last, so that a check that the database interrupts is repeated.
        self._seen = newest
        link_metrics.ended("token", count)
        return count

    def _end(self, tenant: str) -> int:
        oldest = int((self._clock() - _LOOKED_BACK_SECONDS) * 1000)
        after, count = f"{max(0, oldest):012x}", 0
        while True:
            page = self._stored.recent_links(tenant, after, _AT_ONCE)
            ended = [link for link, tokens in page if self._feed.has_revoked(tokens)]
            if ended:
                self._stored.remove_links(tenant, ended)
            count += len(ended)
            if len(page) < _AT_ONCE:
                return count
            after = page[-1][0]
