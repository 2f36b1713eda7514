"""What the parts of the records share: a database, and the group that commits their changes."""

from __future__ import annotations

from servicekit.database import Database
from wharf_upload.database.group_commit import GroupCommit


class Aggregate:
    """The rows of one subject. It reads from the database and changes it through the group."""

    def __init__(self, database: Database, group: GroupCommit) -> None:
        self._database, self._group = database, group
