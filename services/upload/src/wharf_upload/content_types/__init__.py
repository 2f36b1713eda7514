"""Finds media types from the bytes of files."""
