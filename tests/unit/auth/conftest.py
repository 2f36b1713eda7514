"""The fixtures of the auth service."""

from tests.servers.auth import auth, auth_settings, auth_template
from tests.servers.logins import limited
from tests.servers.quick import keys_made_before

__all__ = ["auth", "auth_settings", "auth_template", "keys_made_before", "limited"]
