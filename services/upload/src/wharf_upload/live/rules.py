"""The rules for what a principal may receive, from its scopes and its reach. Pure functions."""

from __future__ import annotations

from typing import Protocol

from servicekit.problems import SCOPE_MISSING
from servicekit.tokens import Principal
from wharf_upload.access import events_in_reach
from wharf_upload.access.authorization import FOLLOW, READ, WRITE
from wharf_upload.domain.events import Event

_OF_FILES = "file."


class ProgressOf(Protocol):
    """The progress of an upload; see `notices.messages.Progress`."""

    @property
    def owner(self) -> str: ...

    @property
    def bucket(self) -> str: ...

    @property
    def key(self) -> str: ...


def require_listener(principal: Principal) -> None:
    """Raise the problem `insufficient-scope` unless this principal may listen.

    Upload tickets may not listen, because they are given to strangers.
    """
    if principal.ticket is not None:
        raise SCOPE_MISSING(
            "The token is an upload ticket, which allows only uploads.", required_scope=FOLLOW
        )
    if principal.scopes.isdisjoint((FOLLOW, READ, WRITE)):
        raise SCOPE_MISSING(
            f"The token has none of the scopes {FOLLOW}, {READ} and {WRITE}.",
            headers=(
                (
                    "WWW-Authenticate",
                    f'Bearer realm="wharf", error="insufficient_scope", scope="{FOLLOW}"',
                ),
            ),
            required_scope=FOLLOW,
        )


def told(principal: Principal, buckets: frozenset[str], event: Event) -> Event | None:
    """Return the form of a tenant's event that a principal of the tenant may receive.

    Return `None` if the principal may not receive the event, or if `buckets` is not empty and the
    event is in none of the buckets.
    """
    if not _by_scopes(principal, event):
        return None
    heard = events_in_reach.told(principal.reach, event)
    if heard is None or (buckets and buckets.isdisjoint(_buckets_of(heard))):
        return None
    return heard


def _by_scopes(principal: Principal, event: Event) -> bool:
    if FOLLOW in principal.scopes:
        return True
    if not event.kind.startswith(_OF_FILES):
        return False
    if READ in principal.scopes:
        return True
    return _owns(principal, None if event.file is None else event.file.owner)


def sees(principal: Principal, buckets: frozenset[str], progress: ProgressOf) -> bool:
    """Tell whether a principal may receive the progress of an upload of its tenant.

    A partial upload of a concatenation has no key. The progress of such an upload goes to the
    principals that may read the whole bucket, and to the owner of the upload, if the owner may
    write somewhere in the bucket.
    """
    if buckets and progress.bucket not in buckets:
        return False
    reach, bucket, key = principal.reach, progress.bucket, progress.key
    if READ in principal.scopes and reach.allows("read", bucket, key):
        return True
    if not _owns(principal, progress.owner):
        return False
    return reach.allows("write", bucket, key) if key else reach.allows_somewhere("write", bucket)


def _owns(principal: Principal, owner: str | None) -> bool:
    return WRITE in principal.scopes and owner == principal.subject


def _buckets_of(event: Event) -> set[str]:
    places = (event.file, event.moved_from)
    return {place.bucket for place in places if place is not None}
