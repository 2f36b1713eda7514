"""Endpoints of webhooks in the database of a test, with signing secrets that keys seal."""

from __future__ import annotations

import time

from servicekit.tokens import Principal
from tests.servers.upload import UploadService
from wharf_upload import webhook_bootstrap
from wharf_upload.domain.webhooks import Endpoint, EventFilter
from wharf_upload.webhooks.endpoint_catalog import EndpointCatalog, Shown

ADDRESS = "http://127.0.0.1:1999/hook"


def catalog(upload: UploadService) -> EndpointCatalog:
    """Return the catalog of a service; its settings must allow 127.0.0.1."""
    return webhook_bootstrap.catalog(upload.settings, upload.records.webhooks, time.time)


def operator(tenant: str = "demo") -> Principal:
    """Return a caller that may administer the endpoints of a tenant."""
    return Principal(tenant, "operator", frozenset(), "", 0)


def added(upload: UploadService, tenant: str = "demo") -> Shown:
    """Add an endpoint, with a new signing secret."""
    webhook_bootstrap.ensure_keys(upload.settings)
    object.__setattr__(upload.settings, "webhook_allow", "127.0.0.1")
    return catalog(upload).create(
        operator(tenant), url=ADDRESS, description="", wanted=EventFilter(), ordered=False
    )


def stored(upload: UploadService, endpoint: Endpoint) -> Endpoint:
    """Return the present state of an endpoint."""
    found = upload.records.endpoints.endpoint(endpoint.tenant, endpoint.id)
    assert found is not None
    return found
