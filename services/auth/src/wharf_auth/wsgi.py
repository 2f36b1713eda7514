"""What uWSGI loads (`module = wharf_auth.wsgi:application`)."""

from wharf_auth.app import from_environment

application = from_environment()
