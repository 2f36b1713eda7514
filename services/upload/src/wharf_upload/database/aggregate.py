"""The base class of the parts of the records; each part has a database and a group commit."""

from __future__ import annotations

from servicekit.database import Database
from wharf_upload.database.group_commit import GroupCommit


class Aggregate:
    """The rows of one subject, read from the database and changed through the group commit."""

    def __init__(self, database: Database, group: GroupCommit) -> None:
        self._database, self._group = database, group
