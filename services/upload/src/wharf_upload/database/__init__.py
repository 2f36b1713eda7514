"""The rows of buckets, files, uploads and other records, in SQLite or PostgreSQL."""
