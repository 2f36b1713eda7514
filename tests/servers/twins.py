"""Twin tenants: whatever a tenant writes, they have too, under the same names, keys and numbers.

Triggers copy each row of `TENANT` to both twins in the statement that writes it. One twin sorts
before the tenant, one behind it. A row of theirs stays when the tenant removes its own. A statement
that changes or removes a row of theirs fails. What one tenant sees and does thus shows whether a
statement has kept to that tenant.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing

import psycopg

from servicekit.database.opening import sqlite_path
from tests.servers.upload import TENANT, TWINS

_BEFORE, _BEHIND = TWINS
# What differs in a twin's row, where `{}` is the twin's name: what is unique in the installation,
# and what a reader of the wrong row notices.
_DIFFERENT: dict[str, dict[str, str]] = {
    "buckets": {"created_at": "new.created_at + 1"},
    "cors_origins": {},
    "events": {},
    "files": {
        "id": "'{}-' || new.id",
        "blob": "'{}-' || new.blob",
        "size": "new.size + 1000003",
    },
    "idempotency": {"fingerprint": "'{}'", "created_at": "new.created_at - 1000000"},
    "links": {"tokens": "'{}'", "filename": "'{}'"},
    "ticket_uses": {"uses": "new.uses + 1000"},
    "upload_parts": {},
    "uploads": {"id": "'{}-' || new.id", "reserved_bytes": "new.reserved_bytes + 1000000007"},
}
# One key for all tenants: the numbers of one twin are a bit smaller, those of the other far larger.
_EVENTS_OF_SQLITE = {_BEFORE: "new.seq - 1000003", _BEHIND: "new.seq + 1000000000000"}
# The same part is one of both tenants' finals; or the same final has another part.
_PARTS = {_BEFORE: "'{}-' || new.part", _BEHIND: "new.part"}
# Of these each tenant has one row, which is there from the beginning.
_ROWS = {
    "usage": "'{}', 1000000000000, 1000000, 9000000000000000",
    "limits": "'{}', 0, 0, 1, 1, 1, 1, 1",
    "link_keys": "'{}', 'abcd', 1",
}
_GUARDED = (*_DIFFERENT, *_ROWS)
_REFUSED = "a row of another tenant was changed in"
_ARE_TWINS = f"IN ('{_BEFORE}', '{_BEHIND}')"
Columns = Mapping[str, list[str]]
Keys = Mapping[str, list[str]]


def add_twins(url: str) -> None:
    """Give the tenant its twins, in a migrated database that has no rows of it yet."""
    path = sqlite_path(url)
    if path is None:
        with psycopg.connect(url, autocommit=True) as server:
            found = server.execute(
                "SELECT table_name, column_name FROM information_schema.columns "
                "WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
            ).fetchall()
            server.execute("\n".join(_for_postgresql(_grouped(found))).encode())
        return
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        found = file.execute(
            "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c "
            "WHERE m.type = 'table'"
        ).fetchall()
        file.executescript("\n".join(("BEGIN;", *_for_sqlite(_grouped(found)), "COMMIT;")))


def _grouped(found: list[tuple[str, str]]) -> Columns:
    tables: dict[str, list[str]] = {}
    for table, column in found:
        tables.setdefault(table, []).append(column)
    return tables


def _for_sqlite(tables: Columns) -> Iterator[str]:
    yield from _rows(tables)
    # Not 0 while a trigger copies: a copy replaces the twin's row.
    yield "CREATE TABLE twins_copied (now INTEGER); INSERT INTO twins_copied VALUES (0);"
    for table in _DIFFERENT:
        copies = " ".join(_copy(table, twin, tables[table], _EVENTS_OF_SQLITE) for twin in TWINS)
        for act in ("INSERT", "UPDATE"):
            yield (
                f"CREATE TRIGGER twins_{act}_{table} AFTER {act} ON {table} "
                f"WHEN new.tenant = '{TENANT}' BEGIN UPDATE twins_copied SET now = 1; {copies} "
                "UPDATE twins_copied SET now = 0; END;"
            )
    for table in _GUARDED:
        for act in ("UPDATE", "DELETE"):
            yield (
                f"CREATE TRIGGER twins_keep_{act}_{table} BEFORE {act} ON {table} "
                f"WHEN old.tenant {_ARE_TWINS} AND (SELECT now FROM twins_copied) = 0 "
                f"BEGIN SELECT RAISE(ABORT, '{_REFUSED} {table}'); END;"
            )


def _for_postgresql(tables: Columns) -> Iterator[str]:
    yield from _rows(tables)
    yield (
        "CREATE FUNCTION twins_keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF pg_trigger_depth() = 1 THEN RAISE EXCEPTION '{_REFUSED} %', TG_TABLE_NAME; END IF; "
        "RETURN CASE TG_OP WHEN 'DELETE' THEN old ELSE new END; END $$;"
    )
    for table in _DIFFERENT:
        copies = " ".join(_copy(table, twin, tables[table], {}) for twin in TWINS)
        yield (
            f"CREATE FUNCTION twins_copy_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"{copies} RETURN NULL; END $$; "
            f"CREATE TRIGGER twins_copy AFTER INSERT OR UPDATE ON {table} FOR EACH ROW "
            f"WHEN (new.tenant = '{TENANT}') EXECUTE FUNCTION twins_copy_{table}();"
        )
    for table in _GUARDED:
        yield (
            f"CREATE TRIGGER twins_keep BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW "
            f"WHEN (old.tenant {_ARE_TWINS}) EXECUTE FUNCTION twins_keep();"
        )


def _rows(tables: Columns) -> Iterator[str]:
    for table, values in _ROWS.items():
        for twin in TWINS:
            names = ", ".join(tables[table])
            yield f"INSERT INTO {table} ({names}) VALUES ({values.format(twin)});"


def _copy(table: str, twin: str, columns: list[str], events: Mapping[str, str]) -> str:
    """Return the statements that put the twin's copy of a new row in the place of an older one."""
    values = {name: f"new.{name}" for name in columns} | {"tenant": "'{}'"} | _DIFFERENT[table]
    if table == "events":
        values["seq"] = events.get(twin, "new.seq")
    if table == "upload_parts":
        values["part"] = _PARTS[twin]
    key = " AND ".join(f"{name} = {values[name]}" for name in _KEYS[table])
    if table == "files":  # a file that has moved
        key = f"({key}) OR blob = {values['blob']}"
    names = ", ".join(f'"{name}"' for name in values)
    copy = (
        f"DELETE FROM {table} WHERE {key}; "
        f"INSERT INTO {table} ({names}) VALUES ({', '.join(values.values())});"
    )
    return copy.replace("{}", twin)


# By what a twin's row is found again.
_KEYS: Keys = {
    "buckets": ["tenant", "name"],
    "cors_origins": ["tenant", "bucket", "origin"],
    "events": ["tenant", "seq"],
    "files": ["tenant", "bucket", "key"],
    "idempotency": ["tenant", "subject", "key"],
    "links": ["tenant", "id"],
    "ticket_uses": ["tenant", "ticket"],
    "upload_parts": ["tenant", "final", "position"],
    "uploads": ["id"],
}
