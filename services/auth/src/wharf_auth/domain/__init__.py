"""Rules of the auth service: no Flask, no files, no SQL."""
