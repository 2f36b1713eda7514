"""Statements that correct the rows of a backup, in the transaction that writes the rows.

The rows of a backup say that work was under way. A service that starts after a restore must not
continue this work, even if the restore was killed after the commit of the rows.
"""

from __future__ import annotations

from servicekit.database import Statement
from wharf_upload.domain.webhooks import DELIVERY_LANE

_RESTORED = "A backup was restored. Retry or replay the delivery if you need it."


def corrections(place: str, *, deliver_again: bool) -> list[Statement]:
    """Return the statements; `place` is the name of the store of the restored blobs.

    Without `deliver_again`, all open deliveries end, and each endpoint continues after the newest
    event.
    """
    return [
        # The row of the pause that was active during the backup.
        ("DELETE FROM collection_pauses", ()),
        # Marks of swept hours do not apply to the present store.
        ("DELETE FROM swept_hours WHERE place = ?", (place,)),
        # Receivers have got most events of the backup after it was made.
        *([] if deliver_again else _no_old_events()),
    ]


def _no_old_events() -> list[Statement]:
    newest = "SELECT max(seq) FROM events WHERE events.tenant = endpoints.tenant"
    ended = "UPDATE deliveries SET state = 'failed', next_at = NULL, error = ? WHERE state = 'open'"
    return [
        (f"UPDATE endpoints SET replay = NULL, position = coalesce(({newest}), 0)", ()),  # noqa: S608 -- constants only
        (ended, (_RESTORED,)),
        ("DELETE FROM jobs WHERE lane = ?", (DELIVERY_LANE,)),
    ]
