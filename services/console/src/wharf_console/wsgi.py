"""The WSGI application for uWSGI (`module = wharf_console.wsgi:application`)."""

from __future__ import annotations

import os
import sys

from servicekit import internal_port, logs, tracing, uwsgi_setenv
from servicekit.settings import SettingsError
from wharf_console import __version__, bootstrap, settings
from wharf_console.app import SERVICE, create_app

# With this exit code of a worker, uWSGI's master ends instead of starting another worker.
_UWSGI_FAILED_APP = 22
# The paths of the internal port, and the application's paths for them.
_INTERNAL = {
    "/metrics": "/metrics",
    "/healthz": "/console/healthz",
    "/readyz": "/console/readyz",
}


def from_environment() -> internal_port.Application:
    """Return the application; for a wrong setting or folder, print one line and end the process."""
    uwsgi_setenv.forbid()
    try:
        served: internal_port.Application = _traced(settings.read())
    except (SettingsError, OSError) as error:
        sys.stderr.write(f"wharf-console: {error}\n")
        sys.exit(_UWSGI_FAILED_APP)
    if os.environ.get("WHARF_CONSOLE_INTERNAL"):
        served = internal_port.guarded(served, _INTERNAL)
    return served


def _traced(own: settings.Settings) -> tracing.WsgiApp:
    logs.configure(SERVICE, own.log_level)
    app = create_app(bootstrap.app_context(own))
    if not tracing.wanted(own.otlp_url):
        return app
    spans = tracing.Tracing(SERVICE, __version__, own.otlp_url)
    app.extensions["service-log"].describe = spans.describe
    return tracing.traced(app, spans)


application = from_environment()
