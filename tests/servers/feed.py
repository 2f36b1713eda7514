"""A feed of revocations for tests, which serves pages as auth does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import msgspec

from servicekit.reaches import ReachChange
from servicekit.revocations import Feed, Kind, Revocation, State
from tests.servers.web import LocalServer, Reply, serving


def entry(
    seq: int,
    kind: Kind = "token",
    state: State = "revoked",
    *,
    tenant: str = "demo",
    identifier: str = "",
    until: int | None = None,
    reach: ReachChange | None = None,
) -> Revocation:
    """Return one entry of a feed."""
    return Revocation(
        seq=seq, kind=kind, tenant=tenant, id=identifier, state=state, until=until, reach=reach
    )


@dataclass
class FakeFeed:
    """A feed with the pages of auth's `/feed`. With a `status` other than 200 it serves no page."""

    entries: list[Revocation] = field(default_factory=list)
    status: int = 200
    # The response that replaces the page.
    body: bytes | None = None

    def add(
        self,
        kind: Kind = "token",
        state: State = "revoked",
        *,
        tenant: str = "demo",
        identifier: str = "",
        until: int | None = None,
        reach: ReachChange | None = None,
    ) -> Revocation:
        """Publish one more entry."""
        number = self.entries[-1].seq + 1 if self.entries else 1
        made = entry(
            number, kind, state, tenant=tenant, identifier=identifier, until=until, reach=reach
        )
        self.entries.append(made)
        return made

    def reply(self, path: str) -> Reply:
        """Return the response to one request."""
        if self.body is not None or self.status != 200:
            return Reply(self.body or b"", self.status)
        query = parse_qs(urlsplit(path).query)
        after, limit = int(query["after"][0]), int(query["limit"][0])
        page = tuple(one for one in self.entries if one.seq > after)[:limit]
        latest = self.entries[-1].seq if self.entries else 0
        return Reply(msgspec.json.encode(Feed(entries=page, latest=latest)))


@contextmanager
def serving_feed(feed: FakeFeed) -> Iterator[LocalServer]:
    """Yield the feed on a free port."""
    with serving(feed.reply) as server:
        yield server
