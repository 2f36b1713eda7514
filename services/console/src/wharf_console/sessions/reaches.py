"""What people reach, as auth has said lately: pages offer what lies within."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from servicekit.grants import CompactGrant, Grant
from servicekit.reach import EVERYTHING, Reach, reach_of
from wharf_console.api.accounts import Me
from wharf_console.api.problems import ApiProblem, ApiUnavailable

# A change of grants holds everywhere within as many seconds.
_FRESH_SECONDS = 5.0
# Whoever could not be asked is left alone for a while: each question may wait for an answer.
_PATIENT_SECONDS = 60.0
_MOST = 1000


class Known(NamedTuple):
    """What a person reaches; `grants` as auth shows them, `None` for everything."""

    reach: Reach
    grants: tuple[Grant, ...] | None
    good_until: float


class KnownReaches:
    """Keeps what auth said of the people behind sessions, for a few seconds."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}

    def of(self, record_id: str, now: float, ask: Callable[[], Me]) -> Known:
        """Return what a person reaches; where auth does not say it, what it said last.

        Without any word that is everything: pages offer too much then, and the API refuses it.
        Raises `SessionEnded`.
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
    # Not `checked`: there may be more of them than one list takes.
    return [
        CompactGrant(one.bucket, one.prefix, "".join(action[0] for action in one.actions))
        for one in grants
    ]
