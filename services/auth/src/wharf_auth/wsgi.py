"""The WSGI application that uWSGI loads (`module = wharf_auth.wsgi:application`)."""

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
# A worker that exits with this code makes uWSGI's master end, instead of starting a new worker.
_UWSGI_FAILED_APP = 22
# Paths of the internal port, each with the application's path that serves it.
_INTERNAL = {
    "/metrics": "/metrics",
    "/healthz": "/auth/healthz",
    "/readyz": "/auth/readyz",
    # For upload, which follows the key set and the feed and may run on a machine without a gateway.
    "/jwks": "/.well-known/jwks.json",
    "/feed": "/auth/internal/feed",
}


def from_environment() -> internal_port.Application:
    """Return the application; end the process with one line if a setting or a key is not valid."""
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
            "%s: ignored, the service counts the failures of an account by network "
            "(docs/people.md)",
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
