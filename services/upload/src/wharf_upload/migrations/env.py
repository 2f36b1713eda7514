"""Alembic's entry; the work is done in servicekit."""

from servicekit.database.migrating import run_env

run_env()
