"""What uWSGI loads (`module = wharf_auth.wsgi:application`)."""

import os

from servicekit import internal_port
from wharf_auth.app import from_environment

application: internal_port.Application = from_environment()
if os.environ.get("WHARF_AUTH_INTERNAL"):
    application = internal_port.guarded(
        application,
        {
            "/metrics": "/metrics",
            "/healthz": "/auth/healthz",
            "/readyz": "/auth/readyz",
            # For upload, which may have no gateway beside it.
            "/jwks": "/.well-known/jwks.json",
            "/feed": "/auth/internal/feed",
        },
    )
