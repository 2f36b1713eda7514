"""Tokens of callers whose grants allow only some keys, and changes of these grants in the feed."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from servicekit import grants
from servicekit.feed_follower import FeedFollower
from servicekit.grants import Compact
from servicekit.grants_claim import GrantsClaim
from servicekit.reach import reach_of
from servicekit.reaches import ReachChange
from servicekit.revocations import Revocation
from servicekit.tickets import Ticket
from servicekit.tokens import Principal
from tests.servers.feed import FakeFeed, serving_feed
from tests.servers.upload import UploadService

# Tests check results with another caller, which reaches everything.
SUBJECT = "client-2"
SCOPES = "files:read files:write files:delete buckets:admin"


def compact(*written: str) -> Compact:
    """Return the stored form of grants that are written as on the command line
    (`read,write:photos/inbox/`).
    """
    return grants.checked([grants.parse(one) for one in written])


def principal(*written: str, subject: str = SUBJECT, ticket: Ticket | None = None) -> Principal:
    """Return a principal with these grants."""
    return Principal(
        tenant="demo",
        subject=subject,
        scopes=frozenset(SCOPES.split()),
        token_id="t",
        expires_at=2_000_000_000,
        ticket=ticket,
        reach=reach_of(compact(*written)),
    )


def token(upload: UploadService, *written: str, scopes: str = SCOPES, **changes: Any) -> str:
    """Return a token with these grants, as auth issues it.

    `grants=None` removes the claim.
    """
    claim = GrantsClaim(version=1, own=compact(*written), scopes=scopes)
    claims = {
        "sub": SUBJECT,
        "grants": msgspec.to_builtins(claim),
        "scope": scopes,
        **changes,
    }
    return upload.issuer.token(tid=upload.tenant, **claims)


def bearer(upload: UploadService, *written: str, **changes: Any) -> dict[str, str]:
    """Return the Authorization header field with the token that `token` makes."""
    return {"Authorization": f"Bearer {token(upload, *written, **changes)}"}


def change(
    upload: UploadService,
    feed: FakeFeed,
    *written: str,
    subject: str = SUBJECT,
    scopes: str = SCOPES,
) -> None:
    """Write new own grants of a subject to the feed. The service reads the change before its next
    request.
    """
    number = len(feed.entries) + 1
    said = ReachChange(version=1 + number, grants=compact(*written), scopes=scopes)
    feed.entries.append(
        Revocation(
            seq=number, kind="reach", tenant=upload.tenant, id=subject, state="changed", reach=said
        )
    )
    with serving_feed(feed) as server:
        follower = FeedFollower(server.url, upload.settings.revocation_file)
        follower.open()
        follower.poll()
    # Otherwise the worker would read the file again only after half a second.
    upload.context.access.revocations._polled_at = -math.inf
