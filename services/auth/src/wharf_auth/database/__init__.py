"""Rows of the auth service."""
