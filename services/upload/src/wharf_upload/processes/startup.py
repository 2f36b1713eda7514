"""The objects that uWSGI's master creates before it forks: settings, application, tracing.

The import of this module creates them once for the workers and the mule.
"""

from __future__ import annotations

import sys

from servicekit import logs, settings
from servicekit.tracing import Tracing, wanted
from wharf_upload import __version__, signals, timings
from wharf_upload.app import create_app
from wharf_upload.context import NAME
from wharf_upload.settings import Settings


def read_settings() -> Settings:
    """Return the settings and import the receivers of signals.

    If a setting is wrong or an import fails, end the process with one line on standard error.
    """
    try:
        own = settings.read(Settings)
        own.check_serves()
        own.check_seals(data_shared=own.data_shared)
        signals.load(own.receivers)
    except settings.SettingsError as error:
        sys.exit(f"wharf-upload: {error}")
    return own


def start_tracing(url: str) -> Tracing | None:
    """Start and return tracing if the settings ask for it; otherwise return `None`.

    If tracing cannot start, end the process with one line on standard error.
    """
    try:
        if not wanted(url):
            return None
    except settings.SettingsError as error:
        sys.exit(f"wharf-upload: {error}")
    tracing = timings.tracer = Tracing(NAME, __version__, url)
    application.context.log.describe = tracing.describe
    return tracing


own_settings = read_settings()
logs.configure(NAME, own_settings.log_level)
application = create_app(own_settings)
tracing = start_tracing(own_settings.otlp_url)
