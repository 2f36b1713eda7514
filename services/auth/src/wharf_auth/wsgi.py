"""The process that uWSGI runs (`module = wharf_auth.wsgi:application`)."""

from __future__ import annotations

import logging
import os
import sys

from servicekit import before_fork, internal_port, logs, tracing, uwsgi_setenv
from servicekit.settings import SettingsError
from wharf_auth import __version__, memory, settings
from wharf_auth.app import SERVICE, create_app
from wharf_auth.signing import SigningKeyError

log = logging.getLogger(__name__)
# With this code a worker tells uWSGI's master to end instead of starting another worker.
_UWSGI_FAILED_APP = 22
# Paths of the internal port, and where the application serves them.
_INTERNAL = {
    "/metrics": "/metrics",
    "/healthz": "/auth/healthz",
    "/readyz": "/auth/readyz",
    # For upload, which may have no gateway beside it.
    "/jwks": "/.well-known/jwks.json",
    "/feed": "/auth/internal/feed",
}


def from_environment() -> internal_port.Application:
    """Return what uWSGI serves; ends the process with one line when it cannot be started."""
    uwsgi_setenv.forbid()
    memory.return_large_blocks()
    try:
        served: internal_port.Application = _traced(settings.read())
    except (SettingsError, SigningKeyError) as error:
        sys.stderr.write(f"wharf-auth: {error}\n")
        sys.exit(_UWSGI_FAILED_APP)
    if os.environ.get("WHARF_AUTH_INTERNAL"):
        served = internal_port.guarded(served, _INTERNAL)
    return served


def _traced(own: settings.Settings) -> tracing.WsgiApp:
    logs.configure(SERVICE, own.log_level)
    if ignored := settings.retired():
        log.warning(
            "%s: ignored, failures of an account are counted by network (docs/people.md)",
            ", ".join(ignored),
        )
    app = create_app(own)
    if not tracing.wanted(own.otlp_url):
        return app
    spans = tracing.Tracing(SERVICE, __version__, own.otlp_url)
    app.extensions["service-log"].describe = spans.describe
    return tracing.traced(app, spans)


application = from_environment()
before_fork.join_timers()
