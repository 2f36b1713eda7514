"""Rows: what is known of buckets and files, in SQLite or PostgreSQL."""
