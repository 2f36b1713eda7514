"""Additions to the declared operations in the OpenAPI document, imported when it is built."""
