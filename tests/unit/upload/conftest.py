"""An upload service of a test's own."""

from tests.servers.upload import issuer, upload, upload_data, upload_template

__all__ = [
    "issuer",
    "upload",
    "upload_data",
    "upload_template",
]
