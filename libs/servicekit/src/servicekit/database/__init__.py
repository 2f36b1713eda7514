"""SQLite and PostgreSQL behind one small interface.

Every statement is written once, in SQL that both understand. `?` marks a parameter, so a statement
has no other question mark and no percent sign.
"""

from __future__ import annotations

from servicekit.database.base import (
    Connection,
    Database,
    DatabaseUnavailable,
    OutcomeUnknown,
    OutOfSpace,
    Row,
    Statement,
    UniqueViolation,
)
from servicekit.database.opening import open_database

__all__ = [
    "Connection",
    "Database",
    "DatabaseUnavailable",
    "OutOfSpace",
    "OutcomeUnknown",
    "Row",
    "Statement",
    "UniqueViolation",
    "open_database",
]
