"""Services that the integration tests run."""

from tests.servers.auth import auth, auth_settings, auth_template
from tests.servers.upload import upload_template

__all__ = ["auth", "auth_settings", "auth_template", "upload_template"]
