"""The fixtures of the auth service."""

from tests.servers.auth import auth, auth_settings, auth_template
from tests.servers.logins import limited

__all__ = ["auth", "auth_settings", "auth_template", "limited"]
