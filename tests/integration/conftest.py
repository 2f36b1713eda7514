"""Services that the integration tests run."""

from tests.servers.auth import auth, auth_settings, auth_template

__all__ = ["auth", "auth_settings", "auth_template"]
