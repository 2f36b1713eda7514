"""Alembic's entry point; servicekit does the work."""

from servicekit.database.migrating import run_env

run_env()
