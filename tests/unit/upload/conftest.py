"""An upload service of a test's own."""

from tests.servers.stores import blob_server, socket_server
from tests.servers.upload import issuer, upload, upload_data, upload_template

__all__ = [
    "blob_server",
    "issuer",
    "socket_server",
    "upload",
    "upload_data",
    "upload_template",
]
