"""Relational databases behind one small face: SQLite and PostgreSQL.

SQL is written once, in what both understand, with `?` for parameters (and therefore no other
question mark, and no percent sign, in a statement).
"""

from __future__ import annotations

from servicekit.database.base import (
    Connection,
    Database,
    DatabaseUnavailable,
    OutcomeUnknown,
    OutOfSpace,
    Row,
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
    "UniqueViolation",
    "open_database",
]
