"""The WSGI entry point."""

import os

from servicekit import internal_port
from wharf_upload import running

application: internal_port.Application = running.served
# Only in containers: the hot path has no detour elsewhere.
if os.environ.get("WHARF_UPLOAD_INTERNAL"):
    application = internal_port.guarded(
        application, {path: path for path in ("/metrics", "/healthz", "/readyz")}
    )
