"""A cache of people's reach from auth, which decides what pages offer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from servicekit.grants import CompactGrant, Grant
from servicekit.reach import EVERYTHING, Reach, reach_of
from wharf_console.api.accounts import Me
from wharf_console.api.problems import ApiProblem, ApiUnavailable

# A change of grants takes effect everywhere within this time.
_FRESH_SECONDS = 5.0
# The pause after a failed request to auth, because each request may wait for a timeout.
_PATIENT_SECONDS = 60.0
_MOST = 1000


class Known(NamedTuple):
    """The reach of a person; `grants` are those in auth's response, `None` for no limit."""

    reach: Reach
    grants: tuple[Grant, ...] | None
    good_until: float


class KnownReaches:
    """A cache of the reach of people with sessions, for a few seconds."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}

    def of(self, record_id: str, now: float, ask: Callable[[], Me]) -> Known:
        """Return the reach of a person; if auth refuses or does not respond, the last known reach.

        If no reach is known, assume no limit: pages then offer too much, and the API refuses it.
        `ask` sends the request to auth. Raises `SessionEnded`.
        """
        known = self._known.get(record_id)
        if known is not None and now < known.good_until:
            return known
        try:
            grants = ask().grants
        except (ApiProblem, ApiUnavailable):
            last = known or Known(EVERYTHING, None, now)
            found = last._replace(good_until=now + _PATIENT_SECONDS)
        else:
            reach = EVERYTHING if grants is None else reach_of(_compact(grants))
            found = Known(reach, grants, now + _FRESH_SECONDS)
        if len(self._known) >= _MOST:
            self._known = {}
        self._known[record_id] = found
        return found


def _compact(grants: Iterable[Grant]) -> list[CompactGrant]:
    # `checked` would refuse the grants of a person and all groups if they exceed the limit of one
    # list.
    return [
        CompactGrant(one.bucket, one.prefix, "".join(action[0] for action in one.actions))
        for one in grants
    ]
