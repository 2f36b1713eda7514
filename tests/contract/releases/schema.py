"""Comparison of schemas: the changes of a migration that break code of an older release."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config


@dataclass(frozen=True)
class Column:
    """A column: its type, and whether an INSERT may omit it."""

    type: str
    optional: bool
    nullable: bool


@dataclass(frozen=True)
class Found:
    """A schema: columns by table and name, and constraints as text by table."""

    columns: dict[str, dict[str, Column]]
    rules: dict[str, frozenset[str]]


def schema_of(url: str, scripts: Path, revision: str) -> Found:
    """Return the schema of a PostgreSQL database after an upgrade to a revision."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    config = Config()
    config.set_main_option("script_location", str(scripts))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    inspector = sa.inspect(engine)
    tables = inspector.get_table_names()
    found = Found(
        columns={
            table: {
                one["name"]: Column(
                    str(one["type"]),
                    optional=one["nullable"] or one["default"] is not None,
                    nullable=one["nullable"],
                )
                for one in inspector.get_columns(table)
            }
            for table in tables
        },
        rules={table: frozenset(_rules(inspector, table)) for table in tables},
    )
    engine.dispose()
    return found


def _rules(inspector: sa.Inspector, table: str) -> list[str]:
    return [
        *(f"unique {one['column_names']}" for one in inspector.get_indexes(table) if one["unique"]),
        *(f"unique {one['column_names']}" for one in inspector.get_unique_constraints(table)),
        *(f"check {one['sqltext']}" for one in inspector.get_check_constraints(table)),
        *(
            f"references {one['constrained_columns']} {one['referred_table']}"
            for one in inspector.get_foreign_keys(table)
        ),
    ]


def breaks(before: Found, after: Found) -> list[str]:
    """Return the changes that break code that was written for `before`, one line each."""
    faults = []
    for table, columns in before.columns.items():
        if table not in after.columns:
            faults.append(f"{table} is gone")
            continue
        for name, column in columns.items():
            now = after.columns[table].get(name)
            if now is None:
                faults.append(f"{table}.{name} is gone")
            elif now.type != column.type:
                faults.append(f"{table}.{name} is {now.type} and was {column.type}")
            elif (column.nullable and not now.nullable) or (column.optional and not now.optional):
                faults.append(f"{table}.{name} has to be given")
            elif now.nullable and not column.nullable:
                faults.append(f"{table}.{name} may be NULL")
        faults += [
            f"{table}.{name} is new and has to be given"
            for name, column in after.columns[table].items()
            if name not in columns and not column.optional
        ]
        faults += [
            f"{table}: new rule: {rule}" for rule in after.rules[table] - before.rules[table]
        ]
    return faults
