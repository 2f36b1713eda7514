"""Fixture of an upload service that belongs to one test."""

from tests.servers.upload import issuer, upload, upload_data, upload_template

__all__ = [
    "issuer",
    "upload",
    "upload_data",
    "upload_template",
]
