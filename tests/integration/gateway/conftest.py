"""What nginx needs behind it."""

from tests.servers.upload import issuer, upload, upload_data

__all__ = ["issuer", "upload", "upload_data"]
