"""Cursors: the form in which clients name the number of an event; an event's `id` is a cursor.

A cursor is opaque: 16 characters that contain the number and a check value of number and tenant, so
that a cursor of another tenant is refused. Older releases returned the numbers themselves. This
release accepts such numbers until `WHARF_EVENT_SECONDS` after the update. On the first day after
the update, this release still returns numbers, because an older release accepts only numbers. An
older release may run on another replica during the update, or after a rollback.
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
# A text; on the first day, a number in JSON.
Cursor = str | int


def cursor_of(tenant: str, number: int) -> str:
    """Return the cursor of a number; the result is always the same, so clients may compare ids.

    The cursor begins with a letter, because the number has 63 bits; so it never looks like a
    number.
    """
    raw = number.to_bytes(_NUMBER_BYTES)
    return urlsafe_b64encode(raw + _check(tenant, raw)).decode()


class EventCursors:
    """Writes and reads cursors.

    `changed_at` is when this service stopped using event numbers as cursors, in unix milliseconds;
    `None` means that no client has a number. Events are kept for `kept_seconds`.
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
            # A number that was returned must stay valid for a while.
            self._given_until = changed_at + min(_DAY_MILLISECONDS, kept // 2)

    def write(self, tenant: str, number: int) -> Cursor:
        """Return the cursor of a number; 0 is the beginning.

        For at most a day after the update (see the module), the cursor is the number itself.
        """
        if self._clock() < self._given_until:
            return number
        return cursor_of(tenant, number) if number else "0"

    def read(self, tenant: str, cursor: Cursor, name: str) -> int:
        """Return the number that a client's cursor means; `name` is the name of the field.

        Raises the problems `malformed-request` and `event-cursor-expired`.
        """
        number = _digits(cursor)
        if number is None:
            number = _opened(tenant, str(cursor))
        elif number:
            number = self._known(number, name)
        if number is None:
            raise MALFORMED(f"{name} is not a cursor of this tenant's events.")
        return number

    def _known(self, number: int, name: str) -> int | None:
        """Return a number from an older release, or `None` if no older release returned numbers."""
        if self._read_until is None:
            return None
        if self._clock() >= self._read_until:
            raise EVENT_CURSOR_EXPIRED(
                f"{name} is a number from an older release. Start again without {name}."
            )
        return number


def _digits(cursor: Cursor) -> int | None:
    """Return the number if the cursor consists of digits, else `None`."""
    if isinstance(cursor, str):
        # int() alone would also accept "1_000", " 7" and digits of other scripts.
        if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _MOST_DIGITS):
            return None
        cursor = int(cursor)
    return cursor if 0 <= cursor <= LAST else None


def _opened(tenant: str, cursor: str) -> int | None:
    """Return the number in a cursor; `None` if it is no cursor of the tenant."""
    if len(cursor) != _LENGTH or not cursor.isascii():
        return None
    try:
        raw = urlsafe_b64decode(cursor)
    except ValueError:
        return None
    # The decoder skips characters that are no base64.
    if urlsafe_b64encode(raw).decode() != cursor:
        return None
    number, check = raw[:_NUMBER_BYTES], raw[_NUMBER_BYTES:]
    # Any client can compute the check value, but no database has a number of 64 bits.
    opened = int.from_bytes(number)
    return opened if opened <= LAST and check == _check(tenant, number) else None


def _check(tenant: str, number: bytes) -> bytes:
    return blake2b(
        number + tenant.encode(), digest_size=_CHECK_BYTES, person=b"wharf-cursor"
    ).digest()
