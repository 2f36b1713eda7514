"""The access token of a person; only one request at a time refreshes it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import msgspec

from wharf_console.api.accounts import Granted
from wharf_console.api.problems import ApiProblem, ApiUnavailable, SessionEnded
from wharf_console.metrics import REFRESHES
from wharf_console.sessions.records import Person, RecordBusy, TokenRecord, TokenRecords

Clock = Callable[[], float]
# A function that gets a refresh token and returns the next tokens.
Refresh = Callable[[str], Granted]
# A token is not used in its last seconds, because it could expire on the way to the API. For a
# token with a short life, this is a third of its life.
_SPARE_SECONDS = 30.0


class PersonTokens:
    """An object that reads and refreshes the tokens of one login of the console.

    `waiting` is a context that is open while this request waits for auth, or for another request
    that refreshes the tokens.
    """

    def __init__(
        self,
        records: TokenRecords,
        record_id: str,
        refresh: Refresh,
        clock: Clock,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._records, self._id = records, record_id
        self._refresh, self._clock, self._waiting = refresh, clock, waiting

    def current(self) -> str:
        """Return an access token that does not expire soon; raises `SessionEnded`."""
        record = self._read()
        if self._is_good(record):
            return record.access_token
        return self.after(record.access_token)

    def after(self, refused: str) -> str:
        """Return the access token that replaces a token that is not valid any more.

        If several requests call this at the same time, one refreshes, and the others wait for the
        same token.

        Raises:
            SessionEnded: the session at auth has ended.
            ApiProblem: auth refuses temporarily, for example for a suspended tenant.
            ApiUnavailable: auth does not respond, or another request refreshes for too long.
        """
        try:
            with self._waiting(), self._records.locked(self._id):
                record = self._read()
                if record.access_token != refused and self._is_good(record):
                    return record.access_token
                return self._renewed(record).access_token
        except RecordBusy:
            raise ApiUnavailable("another request refreshes the tokens") from None

    def _renewed(self, record: TokenRecord) -> TokenRecord:
        try:
            granted = self._refresh(record.refresh_token)
        except ApiUnavailable:
            REFRESHES.labels("failed").inc()
            raise
        except ApiProblem as problem:
            if problem.slug == "invalid_grant":
                REFRESHES.labels("ended").inc()
                self._records.delete(self._id)
                raise SessionEnded(problem.slug) from None
            REFRESHES.labels("failed").inc()
            if problem.slug == "unauthorized_client":
                raise _suspended(problem) from None
            raise
        REFRESHES.labels("ok").inc()
        new = recorded(_with_scopes(record.person, granted), granted, self._clock())
        self._records.write(self._id, new)
        return new

    def _read(self) -> TokenRecord:
        record = self._records.read(self._id)
        if record is None:
            raise SessionEnded("logged out")
        return record

    def _is_good(self, record: TokenRecord) -> bool:
        return self._clock() < record.good_until


def recorded(person: Person, granted: Granted, now: float) -> TokenRecord:
    """Return the record of tokens that auth granted at the time `now`."""
    life = granted.expires_in - min(_SPARE_SECONDS, granted.expires_in / 3)
    return TokenRecord(
        person=person,
        access_token=granted.access_token,
        refresh_token=granted.refresh_token,
        good_until=now + life,
    )


def _with_scopes(person: Person, granted: Granted) -> Person:
    """Return the person with the scopes of a new token, because groups may have changed them."""
    if not granted.scope:
        return person
    return msgspec.structs.replace(person, scopes=frozenset(granted.scope.split()))


def _suspended(problem: ApiProblem) -> ApiProblem:
    # OAuth has no error code for a suspended tenant; the rest of the API has a problem for it.
    return ApiProblem(
        403,
        "tenant-suspended",
        "The tenant is suspended",
        problem.detail,
        request_id=problem.request_id,
    )
