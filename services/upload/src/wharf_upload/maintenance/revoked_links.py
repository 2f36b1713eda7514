"""Ends the links that were made with tokens which were revoked since.

Each decision about a link asks the feed as well. Its entries about tokens lapse after a day, and a
link may be good for longer: its row has to go by then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol

from servicekit.tokens import LEEWAY_SECONDS, MAX_LIFETIME_SECONDS
from wharf_upload.access import link_metrics

_AT_ONCE = 500
# A token lives for a day, can be revoked for another one, and the feed has it for a third. Older
# links were made with tokens of which the feed says nothing.
_LOOKED_BACK_SECONDS = 3 * (MAX_LIFETIME_SECONDS + 2 * LEEWAY_SECONDS)


class StoredLinks(Protocol):
    """What is asked of the database; see `database.contract`."""

    def recent_links(
        self, tenant: str, after: str, limit: int
    ) -> list[tuple[str, tuple[str, ...]]]:
        """Return ids and tokens of the links past the id `after`, the oldest first."""

    def remove_links(self, tenant: str, links: list[str]) -> None:
        """Remove links; of those that are gone already nothing is said."""


class Feed(Protocol):
    """What the feed of `auth` says; see `servicekit.revocations`."""

    def newest_revocations(self) -> Mapping[str, int]:
        """Return of each tenant with revoked tokens the number of the newest entry."""

    def has_revoked(self, tokens: tuple[str, ...]) -> bool:
        """Tell whether one of the tokens with these ids was revoked."""


class RevokedLinks:
    """Looks at the new links of those tenants that have revoked a token since the last look."""

    def __init__(
        self, stored: StoredLinks, feed: Feed, clock: Callable[[], float] = time.time
    ) -> None:
        """`clock` gives unix seconds."""
        self._stored, self._feed, self._clock = stored, feed, clock
        self._seen: Mapping[str, int] = {}

    def end(self, *, of_all: bool = False) -> int:
        """Remove the links; with `of_all` look at tenants without new revocations as well."""
        newest, count = self._feed.newest_revocations(), 0
        for tenant, number in sorted(newest.items()):
            if of_all or self._seen.get(tenant) != number:
                count += self._end(tenant)
        # Not before: a look that the database ended is made again.
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
