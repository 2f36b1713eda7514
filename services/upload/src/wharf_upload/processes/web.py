"""The WSGI application of uWSGI's workers.

uWSGI's master imports this module, and then forks the workers and the mule.
"""

from __future__ import annotations

import gc
import os

from servicekit import before_fork, internal_port, uwsgi_setenv
from servicekit.tracing import WsgiApp, traced
from wharf_upload.processes import (
    startup,
    stream,  # noqa: F401 -- load the mule's modules before the fork, so processes share the memory
)


def served() -> WsgiApp:
    """Return the application, with tracing and the internal port if these are enabled."""
    application: WsgiApp = startup.application.wsgi
    if startup.tracing is not None:
        application = traced(application, startup.tracing)
    # The internal port exists only in containers. Other installations do not need a check for it at
    # each request.
    if os.environ.get("WHARF_UPLOAD_INTERNAL"):
        return internal_port.guarded(
            application, {path: path for path in ("/metrics", "/healthz", "/readyz")}
        )
    return application


uwsgi_setenv.forbid()
application = served()
before_fork.join_timers()
# Objects that exist before the fork stay in shared memory as long as no process writes to them.
gc.collect()
gc.freeze()
