"""Cursors: how clients name the number of an event, in pages, in streams and as an event's `id`.

A cursor is opaque: 16 characters that hold the number and a check of number and tenant, so that one
of another tenant is refused. Releases before gave the numbers themselves. Those are read until
`WHARF_EVENT_SECONDS` after the update, and still given on its first day: a release that runs beside
this one, or comes back, reads nothing else.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from hashlib import blake2b

from servicekit.problems import MALFORMED
from wharf_upload.domain.clock import now_milliseconds
from wharf_upload.problems import EVENT_CURSOR_EXPIRED

LAST = (1 << 63) - 1
_DAY_MILLISECONDS = 86_400_000
_MOST_DIGITS, _LENGTH = 19, 16
_NUMBER_BYTES, _CHECK_BYTES = 8, 4
# As text; as a number of JSON on the first day.
Cursor = str | int


def cursor_of(tenant: str, number: int) -> str:
    """Return the cursor of a number; the same one each time, so clients may compare ids.

    It begins with a letter, because a number has 63 bits: nobody takes it for a number.
    """
    raw = number.to_bytes(_NUMBER_BYTES)
    return urlsafe_b64encode(raw + _check(tenant, raw)).decode()


class EventCursors:
    """Writes and reads cursors.

    `changed_at` is when releases stopped to give numbers, in unix milliseconds; `None`: nobody has
    one. Events are kept for `kept_seconds`.
    """

    def __init__(
        self,
        changed_at: int | None,
        kept_seconds: int,
        clock: Callable[[], int] = now_milliseconds,
    ) -> None:
        self._clock = clock
        self._read_until: int | None = None
        self._given_until = 0
        if changed_at is not None:
            kept = kept_seconds * 1000
            self._read_until = changed_at + kept
            # A number that was given has to be good for a while.
            self._given_until = changed_at + min(_DAY_MILLISECONDS, kept // 2)

    def write(self, tenant: str, number: int) -> Cursor:
        """Return what stands for a number; 0 is the beginning."""
        if self._clock() < self._given_until:
            return number
        return cursor_of(tenant, number) if number else "0"

    def read(self, tenant: str, cursor: Cursor, name: str) -> int:
        """Return the number that a client means.

        Raises the problems `malformed-request` and `event-cursor-expired`; `name` is the field's.
        """
        number = _digits(cursor)
        if number is None:
            number = _opened(tenant, str(cursor))
        elif number:
            number = self._known(number, name)
        if number is None:
            raise MALFORMED(f"{name} is not a cursor that this tenant's events gave.")
        return number

    def _known(self, number: int, name: str) -> int | None:
        """Return a number that a release before has given; `None` where there was none."""
        if self._read_until is None:
            return None
        if self._clock() >= self._read_until:
            raise EVENT_CURSOR_EXPIRED(
                f"{name} is a number of a release before. Begin anew, with {name} left out."
            )
        return number


def _digits(cursor: Cursor) -> int | None:
    """Return the number that is written in digits; `None` where there is none."""
    if isinstance(cursor, str):
        # int() alone would also take "1_000", " 7" and other scripts' digits.
        if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _MOST_DIGITS):
            return None
        cursor = int(cursor)
    return cursor if 0 <= cursor <= LAST else None


def _opened(tenant: str, cursor: str) -> int | None:
    """Return the number in a cursor; `None` where it is no cursor of the tenant."""
    if len(cursor) != _LENGTH or not cursor.isascii():
        return None
    try:
        raw = urlsafe_b64decode(cursor)
    except ValueError:
        return None
    # Characters that are no base64 would be skipped.
    if urlsafe_b64encode(raw).decode() != cursor:
        return None
    number, check = raw[:_NUMBER_BYTES], raw[_NUMBER_BYTES:]
    # Anybody can compute the check; no database has a number of 64 bits.
    opened = int.from_bytes(number)
    return opened if opened <= LAST and check == _check(tenant, number) else None


def _check(tenant: str, number: bytes) -> bytes:
    return blake2b(
        number + tenant.encode(), digest_size=_CHECK_BYTES, person=b"wharf-cursor"
    ).digest()
