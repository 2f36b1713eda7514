"""Add limits of tenants, events that are not about a file, and an index of expired files."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_LIMITS = (
    "max_bytes",
    "max_files",
    "max_file_bytes",
    "requests_per_minute",
    "client_requests_per_minute",
    "bytes_per_minute",
    "concurrent_uploads",
)


def upgrade() -> None:
    """Create the table and the index, and rename `events.file` to `events.data`.

    In `limits`, NULL means the default from the settings. `events.data` is the JSON of a file or of
    a quota.
    """
    op.create_table(
        "limits",
        sa.Column(
            "tenant",
            sa.String().with_variant(sa.String(collation="C"), "postgresql"),
            primary_key=True,
        ),
        *(sa.Column(name, sa.BigInteger) for name in _LIMITS),
        sqlite_with_rowid=False,
    )
    op.execute("ALTER TABLE events RENAME COLUMN file TO data")
    # Before a quota refuses an upload, the service deletes the tenant's expired files.
    op.create_index(
        "files_tenant_expires_at",
        "files",
        ["tenant", "expires_at"],
        sqlite_where=sa.text("expires_at IS NOT NULL"),
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )


def downgrade() -> None:
    """Undo the changes; delete events without a file, which the earlier release cannot read."""
    op.drop_index("files_tenant_expires_at", "files")
    op.execute("DELETE FROM events WHERE kind NOT LIKE 'file.%'")
    op.execute("ALTER TABLE events RENAME COLUMN data TO file")
    op.drop_table("limits")
