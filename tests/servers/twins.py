"""Twin tenants: copies of a tenant's rows with the same names, keys and numbers.

Triggers copy each row of the tenant to both twins in the statement that writes it. One twin sorts
before the tenant, one after it. A twin's row stays when the tenant deletes its own row. Every other
statement that changes or deletes a twin's row fails. So the results of one tenant's operations show
whether each statement is limited to that tenant.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field

import psycopg

from servicekit.database.opening import sqlite_path
from tests.servers.upload import TWINS

_BEFORE, _BEHIND = TWINS
_REFUSED = "a row of another tenant was changed in"
Columns = Mapping[str, list[str]]


@dataclass(frozen=True)
class Twinned:
    """The way in which a table's rows are copied. In SQL, `{}` stands for the twin's name.

    `key` has the columns that identify the twin's row, which the copy replaces; without a key an
    existing row stays. `different` has the values that differ in the twin's row: in columns that
    are unique in the installation, or to reveal a reader of the wrong row. `behind` has such values
    only for the twin that sorts last. `first` runs before the copy. `owner` is the SQL of the
    tenant of `{row}`, which is the new or the old row.
    """

    key: str = ""
    different: Mapping[str, str] = field(default_factory=dict)
    behind: Mapping[str, str] = field(default_factory=dict)
    first: str = ""
    owner: str = "{row}.tenant"

    def copy(self, table: str, twin: str, columns: list[str]) -> str:
        """Return the statements that give the twin its copy of a new row."""
        values = {name: f"new.{name}" for name in columns}
        if "tenant" in values:
            values["tenant"] = "'{}'"
        values |= self.different
        if twin == _BEHIND:
            values |= self.behind
        names = ", ".join(f'"{name}"' for name in values)
        changed = ", ".join(f'"{name}" = excluded."{name}"' for name in values)
        on_conflict = f"({self.key}) DO UPDATE SET {changed}" if self.key else "DO NOTHING"
        insert = (
            f"INSERT INTO {table} ({names}) VALUES ({', '.join(values.values())}) "
            f"ON CONFLICT {on_conflict};"
        )
        return f"{self.first} {insert}".replace("{}", twin)


@dataclass(frozen=True)
class Twins:
    """The twins of a `tenant`: the `tables` that are copied, and the twins' first `rows`.

    `kept` are further tables whose rows must not change, with the column of the tenant.
    """

    tenant: str
    tables: Mapping[str, Twinned]
    rows: tuple[str, ...]
    kept: Mapping[str, str]
    # Tables whose rows SQLite must copy in another way.
    of_sqlite: Mapping[str, Twinned] = field(default_factory=dict)

    def add(self, url: str) -> None:
        """Give the tenant its twins in a migrated database without rows of the tenant."""
        path = sqlite_path(url)
        if path is None:
            with psycopg.connect(url, autocommit=True) as server:
                found = server.execute(
                    "SELECT table_name, column_name FROM information_schema.columns "
                    "WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
                ).fetchall()
                server.execute("\n".join(self._for_postgresql(_grouped(found))).encode())
            return
        with closing(sqlite3.connect(path, isolation_level=None)) as file:
            found = file.execute(
                "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c "
                "WHERE m.type = 'table'"
            ).fetchall()
            file.executescript("\n".join(("BEGIN;", *self._for_sqlite(_grouped(found)), "COMMIT;")))

    def _for_sqlite(self, columns: Columns) -> Iterator[str]:
        yield from self._first_rows()
        # The value is 1 while a trigger copies, because the copy may replace a twin's row.
        yield "CREATE TABLE twins_copied (now INTEGER); INSERT INTO twins_copied VALUES (0);"
        for table, common in self.tables.items():
            twinned = self.of_sqlite.get(table, common)
            copies = " ".join(twinned.copy(table, twin, columns[table]) for twin in TWINS)
            for act in ("INSERT", "UPDATE"):
                yield (
                    f"CREATE TRIGGER twins_{act}_{table} AFTER {act} ON {table} "
                    f"WHEN {twinned.owner.format(row='new')} = '{self.tenant}' BEGIN "
                    f"UPDATE twins_copied SET now = 1; {copies} UPDATE twins_copied SET now = 0; "
                    "END;"
                )
        for table, owner in self._guarded():
            for act in ("UPDATE", "DELETE"):
                yield (
                    f"CREATE TRIGGER twins_keep_{act}_{table} BEFORE {act} ON {table} "
                    f"WHEN {owner} IN {TWINS} AND (SELECT now FROM twins_copied) = 0 "
                    f"BEGIN SELECT RAISE(ABORT, '{_REFUSED} {table}'); END;"
                )

    def _for_postgresql(self, columns: Columns) -> Iterator[str]:
        yield from self._first_rows()
        for table, twinned in self.tables.items():
            copies = " ".join(twinned.copy(table, twin, columns[table]) for twin in TWINS)
            yield (
                f"CREATE FUNCTION twins_copy_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ "
                f"BEGIN IF {twinned.owner.format(row='new')} = '{self.tenant}' THEN {copies} "
                "END IF; RETURN NULL; END $$; "
                f"CREATE TRIGGER twins_copy AFTER INSERT OR UPDATE ON {table} FOR EACH ROW "
                f"EXECUTE FUNCTION twins_copy_{table}();"
            )
        for table, owner in self._guarded():
            yield (
                f"CREATE FUNCTION twins_keep_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ "
                f"BEGIN IF pg_trigger_depth() = 1 AND {owner} IN {TWINS} THEN "
                f"RAISE EXCEPTION '{_REFUSED} {table}'; END IF; "
                "RETURN CASE TG_OP WHEN 'DELETE' THEN old ELSE new END; END $$; "
                f"CREATE TRIGGER twins_keep BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW "
                f"EXECUTE FUNCTION twins_keep_{table}();"
            )

    def _guarded(self) -> Iterator[tuple[str, str]]:
        for table, twinned in self.tables.items():
            yield table, twinned.owner.format(row="old")
        for table, column in self.kept.items():
            yield table, f"old.{column}"

    def _first_rows(self) -> Iterator[str]:
        return (row.replace("{}", twin) + ";" for twin in TWINS for row in self.rows)


def _grouped(found: list[tuple[str, str]]) -> Columns:
    tables: dict[str, list[str]] = {}
    for table, column in found:
        tables.setdefault(table, []).append(column)
    return tables


_EVENT = Twinned()
_JOB = Twinned("id", {"id": "'{}-' || new.id", "lane": "'{}-' || new.lane"})
UPLOAD_TWINS = Twins(
    tenant="demo",
    tables={
        "buckets": Twinned("tenant, name", {"created_at": "new.created_at + 1"}),
        "cors_origins": Twinned("tenant, bucket, origin"),
        "deliveries": Twinned("tenant, endpoint, seq", {"error": "'{}'"}),
        "endpoints": Twinned(
            "tenant, id", {"url": "'https://{}.example'", "position": "new.position + 1000"}
        ),
        "events": _EVENT,
        "files": Twinned(
            'tenant, bucket, "key"',
            {
                "id": "'{}-' || new.id",
                "blob": "'{}-' || new.blob",
                "size": "new.size + 1000003",
            },
            # When a file moves, its copy has another key, so the twin's old row must be deleted
            # first.
            first="DELETE FROM files WHERE blob = '{}-' || new.blob;",
        ),
        "idempotency": Twinned(
            'tenant, subject, "key"',
            {"fingerprint": "'{}'", "created_at": "new.created_at - 1000000"},
        ),
        # A dispatcher takes the jobs of all tenants in a lane, so the twins have their own lanes.
        "jobs": _JOB,
        "jobs_dead": _JOB,
        "links": Twinned("tenant, id", {"tokens": "'{}'", "filename": "'{}'"}),
        "ticket_uses": Twinned("tenant, ticket", {"uses": "new.uses + 1000"}),
        # The same final upload has another part in one twin, and the same part in the other.
        "upload_parts": Twinned(
            "tenant, final, position", {"part": "'{}-' || new.part"}, {"part": "new.part"}
        ),
        "uploads": Twinned(
            "id",
            {"id": "'{}-' || new.id", "reserved_bytes": "new.reserved_bytes + 1000000007"},
        ),
    },
    rows=(
        "INSERT INTO usage (tenant, bytes, files) VALUES ('{}', 1000000000000, 9)",
        "INSERT INTO limits (tenant, max_bytes, max_files) VALUES ('{}', 0, 0)",
        "INSERT INTO link_keys (tenant, secret, created_at) VALUES ('{}', 'abcd', 1)",
    ),
    kept={"usage": "tenant", "limits": "tenant", "link_keys": "tenant"},
    # In SQLite all tenants share one series of event numbers. One twin gets smaller numbers, the
    # other gets far larger ones.
    of_sqlite={
        "events": Twinned("", {"seq": "new.seq - 1000003"}, {"seq": "new.seq + 1000000000000"})
    },
)

# Ids of clients that the service made have 32 characters, and so do those of the twins.
_ID = (
    "CASE WHEN LENGTH(new.COLUMN) = 32 THEN SUBSTR('{}', 1, 1) || SUBSTR(new.COLUMN, 2) "
    "ELSE '{}-' || new.COLUMN END"
)


def _id(column: str) -> dict[str, str]:
    return {column: _ID.replace("COLUMN", column)}


def _named(table: str) -> Twinned:
    """Return the copy of users and groups. A name that the tenant uses again is first
    freed in the twin.
    """
    (mapped,) = _id("id").values()
    older = f"tenant = '{{}}' AND folded = new.folded AND id <> {mapped}"
    return Twinned(
        "id",
        {**_id("id"), "grant_bytes": "new.grant_bytes + 1000000000"},
        first=f"UPDATE {table} SET folded = id WHERE {older};",
    )


# The twins are suspended, so a login that reads a twin's row is refused.
_SUSPENDED = (
    "INSERT INTO tenants (name, display_name, created_at, suspended_at) VALUES ('{}', '{}', 1, 1)"
)
AUTH_TWINS = Twins(
    tenant="acme",
    tables={
        "clients": Twinned("id", {**_id("id"), "grant_bytes": "new.grant_bytes + 1000000000"}),
        "users": _named("users"),
        "member_groups": _named("member_groups"),
        "client_secrets": Twinned(
            "id",
            {"id": "'{}-' || new.id", **_id("client")},
            owner="(SELECT tenant FROM clients WHERE id = {row}.client)",
        ),
        # The group of one twin has the tenant's own subject as a member; the group of the other
        # twin has this twin's subject.
        "group_members": Twinned(
            "member_group, subject",
            {**_id("member_group"), **_id("subject")},
            {"subject": "new.subject"},
        ),
        "login_networks": Twinned("user_id, network", _id("user_id")),
        "sessions": Twinned("id", {"id": "'{}-' || new.id", **_id("user_id")}),
        "refresh_tokens": Twinned(
            "hash",
            {"hash": "'{}-' || new.hash", "session": "'{}-' || new.session"},
            owner="(SELECT tenant FROM sessions WHERE id = {row}.session)",
        ),
        # No follower of the feed requests numbers below 0.
        "revocations": Twinned(
            "tenant, kind, id", {"seq": "-2 * new.seq"}, {"seq": "-2 * new.seq - 1"}
        ),
    },
    rows=(_SUSPENDED,),
    kept={"tenants": "name"},
)
