"""Parts of a path that routes name, and what they may hold."""

from __future__ import annotations

from werkzeug.routing import BaseConverter

from wharf_auth.domain.names import TENANT_PATTERN


class TenantConverter(BaseConverter):
    """`<tenant:…>`: what cannot be a tenant's name is not found."""

    regex = TENANT_PATTERN


class ClientConverter(BaseConverter):
    """`<client:…>`: what cannot be a client's id is not found."""

    regex = "[A-Za-z0-9_-]{1,64}"
