"""Fixtures that nginx needs behind it."""

from tests.servers.small_pictures import ways
from tests.servers.upload import issuer, upload, upload_data

__all__ = ["issuer", "upload", "upload_data", "ways"]
