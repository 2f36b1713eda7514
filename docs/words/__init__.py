"""Checks the words of pages, docstrings and comments: `make prose`."""
