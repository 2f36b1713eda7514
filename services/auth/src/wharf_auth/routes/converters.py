"""Converters for the parts of a path: a part that does not match its pattern gets 404."""

from __future__ import annotations

from werkzeug.routing import BaseConverter

from wharf_auth.domain.names import TENANT_PATTERN


class TenantConverter(BaseConverter):
    """The converter of `<tenant:…>`: it matches texts that can be a tenant's name."""

    regex = TENANT_PATTERN


class ClientConverter(BaseConverter):
    """The converter of `<client:…>`: it matches texts that can be an id."""

    regex = "[A-Za-z0-9_-]{1,64}"
