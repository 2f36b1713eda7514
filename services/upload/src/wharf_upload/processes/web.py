"""The workers of uWSGI: the WSGI application that they serve.

The master imports this module and forks the workers and the mule afterwards.
"""

from __future__ import annotations

import gc
import os

from servicekit import before_fork, internal_port, uwsgi_setenv
from servicekit.tracing import WsgiApp, traced
from wharf_upload.processes import (
    startup,
    stream,  # noqa: F401 -- the mule's modules are loaded before the fork, to share their memory
)


def served() -> WsgiApp:
    """Return the application, with traces and the internal port where these are on."""
    application: WsgiApp = startup.application.wsgi
    if startup.tracing is not None:
        application = traced(application, startup.tracing)
    # Only in containers: the hot path has no detour elsewhere.
    if os.environ.get("WHARF_UPLOAD_INTERNAL"):
        return internal_port.guarded(
            application, {path: path for path in ("/metrics", "/healthz", "/readyz")}
        )
    return application


uwsgi_setenv.forbid()
application = served()
before_fork.join_timers()
# What exists before the fork is shared memory as long as nobody writes to it.
gc.collect()
gc.freeze()
