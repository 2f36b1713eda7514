"""Two releases on one database: the older one works with the schema of the newer one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from servicekit.database import Database, open_database
from servicekit.database.migrating import upgrade
from servicekit.database.snapshots import Schema
from tests.contract.releases.schema import breaks, schema_of
from tests.servers import auth as auth_server
from tests.servers import upload as upload_server
from tests.servers.postgres import PostgresServer
from tests.servers.upload import new_file
from wharf_auth.database import sql as auth_sql
from wharf_auth.database.contract import Client, Secret, Tenant
from wharf_auth.database.groups_contract import Group
from wharf_upload.database import sql as upload_sql
from wharf_upload.domain.file_writes import UploadEnd, Write
from wharf_upload.domain.resumable_upload import Upload
from wharf_upload.domain.tenant_limits import Limits

# The last migrations before the first release. No older code runs next to this code.
FIRST_RELEASE = {"upload": "0006", "auth": "0003"}
SCHEMAS = {
    "upload": Schema(upload_server.MIGRATIONS, upload_sql.VERSION_TABLE),
    "auth": Schema(auth_server.MIGRATIONS, auth_sql.VERSION_TABLE),
}
NEXT = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "9999", "{head}"

def upgrade():
    tables = sa.inspect(op.get_bind()).get_table_names()
    for table in tables:
        if "version" not in table and "revision" not in table:
            op.add_column(table, sa.Column("next_text", sa.Text))
            number = sa.Column("next_number", sa.BigInteger, nullable=False, server_default="0")
            op.add_column(table, number)
    op.create_table("next_table", sa.Column("id", sa.Integer, primary_key=True))
    {more}
"""


def scripts_with(folder: Path, service: str, more: str = "") -> Path:
    """Return the service's migrations and one more, as the next release may have it."""
    scripts = folder / f"{service}-next"
    shutil.copytree(SCHEMAS[service].scripts, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    text = NEXT.format(head=SCHEMAS[service].head(), more=more)
    (scripts / "versions" / "9999_next.py").write_text(text, encoding="utf-8")
    return scripts


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Return a function that makes the URL of an empty database."""
    count = iter(range(9))
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path}/{next(count)}.db"
    postgres: PostgresServer = request.getfixturevalue("postgres")
    return postgres.new_database


def upload_works(database: Database) -> None:
    """Write, complete, expire and delete files in the upload records, and purge the tenant."""
    records = upload_sql.SqlRecords(database)
    assert records.check() is None
    records.write(Write(files=(new_file("a"), new_file("b", expires_at=1))))
    records.write(Write(files=(new_file("a"),)))
    records.put_limits("demo", Limits(max_files=9))
    upload = Upload(
        id="u" * 32,
        tenant="demo",
        subject="c",
        bucket="default",
        key="k",
        length=1,
        reserved_bytes=1,
        created_at=1,
        expires_at=2,
    )
    records.uploads.create(upload)
    ended = UploadEnd(id=upload.id, parts=(), expires_at=9)
    records.write(Write(files=(new_file("k", size=1),), upload=ended))
    assert records.expire(10, 10) == 1
    assert records.link_key("demo", create=True)
    assert [file.key for file in records.live_files()] == ["a", "k"]
    records.delete("demo", "default", "a", None)
    assert len(records.pending_deletion(1 << 60, 10)) == 3
    while records.purge_tenant("demo", 100):
        pass
    assert not list(records.live_files())


def auth_works(database: Database) -> None:
    """Add a tenant with a client in a group, suspend the tenant and read the feed."""
    records = auth_sql.SqlRecords(database)
    assert records.check() is None
    records.add_tenant(Tenant("acme", "Acme", 1), auth_server.act())
    client = Client("c1", "acme", "billing", ("files:read",), 1)
    records.add_client(client, Secret("s1", "h", "h", 1), auth_server.act())
    assert records.login("c1") is not None
    group = Group("g1", "acme", "Team", ("files:write",), (), 1, 1)
    records.add_group(group, "team", auth_server.act())
    records.change_members("acme", "g1", add={"c1": auth_server.act()}, remove={})
    assert records.groups_of("acme", ["c1"]) == {"c1": [group]}
    records.suspend("acme", auth_server.act())
    assert records.feed(after=0, limit=9).entries[-1].state == "suspended"


WORKS = {"upload": upload_works, "auth": auth_works}


@pytest.mark.parametrize("service", ["upload", "auth"])
def test_on_the_next_schema(service: str, new_url: Callable[[], str], tmp_path: Path) -> None:
    """Today's code works and is ready on a schema with columns and tables that a
    next release has added.

    Today's own migration leaves these columns and tables unchanged.
    """
    url = new_url()
    upgrade(url, scripts_with(tmp_path, service))
    upgrade(url, SCHEMAS[service].scripts)
    database = open_database(url, durable=False)
    try:
        WORKS[service](database)
        assert database.reading().row("SELECT id FROM next_table") is None
    finally:
        database.close()


@pytest.mark.parametrize("service", ["upload", "auth"])
def test_migrations_only_add(service: str, postgres: PostgresServer) -> None:
    """No migration since the first release removes or restricts anything that older code uses."""
    url, schema = postgres.new_database(), SCHEMAS[service]
    before = schema_of(url, schema.scripts, FIRST_RELEASE[service])
    assert before.columns
    for revision in sorted(schema.revisions()):
        if revision > FIRST_RELEASE[service]:
            after = schema_of(url, schema.scripts, revision)
            assert breaks(before, after) == [], revision
            before = after


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ('op.drop_table("usage")', "usage is gone"),
        ('op.drop_column("files", "owner")', "files.owner is gone"),
        ('op.alter_column("files", "owner", new_column_name="maker")', "files.owner is gone"),
        (
            'op.alter_column("files", "size", type_=sa.Integer)',
            "files.size is INTEGER and was BIGINT",
        ),
        (
            'op.alter_column("files", "expires_at", nullable=False)',
            "files.expires_at has to be given",
        ),
        ('op.alter_column("files", "owner", nullable=True)', "files.owner may be NULL"),
        (
            'op.add_column("usage", sa.Column("seen", sa.Text, nullable=False))',
            "usage.seen is new and has to be given",
        ),
        (
            'op.create_index("one_key", "files", ["key"], unique=True)',
            "files: new rule: unique ['key']",
        ),
        (
            'op.create_check_constraint("some", "files", "size > 0")',
            "files: new rule: check size > 0",
        ),
        ("", None),
    ],
)
def test_what_would_break(
    more: str, fault: str | None, postgres: PostgresServer, tmp_path: Path
) -> None:
    """The comparison finds each kind of migration that breaks older code,
    and accepts added columns.
    """
    url, schema = postgres.new_database(), SCHEMAS["upload"]
    before = schema_of(url, schema.scripts, schema.head())
    after = schema_of(url, scripts_with(tmp_path, "upload", more), "9999")
    assert breaks(before, after)[:1] == ([fault] if fault else [])


@pytest.mark.parametrize("service", ["upload", "auth"])
def test_needed_schema(service: str) -> None:
    """The schema that the service needs is the one of its last migration."""
    needed = {"upload": upload_sql.SCHEMA, "auth": auth_sql.SCHEMA}[service]
    assert needed == SCHEMAS[service].head()
