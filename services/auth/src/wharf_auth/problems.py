"""The problems that only the auth service has; the common ones are in `servicekit.problems`."""

from __future__ import annotations

from servicekit.problems import Catalogue

CATALOGUE = Catalogue()

TENANT_EXISTS = CATALOGUE.declare(
    "tenant-exists", 409, "The tenant exists", "Choose another name; names are never reused."
)
TENANT_DELETED = CATALOGUE.declare(
    "tenant-deleted",
    409,
    "The tenant is deleted",
    "Within its grace time (`purge_at`) a deleted tenant can be resumed; afterwards nothing can "
    "be done with it.",
)
TENANT_RESERVED = CATALOGUE.declare(
    "tenant-reserved",
    409,
    "The tenant is reserved",
    "This tenant administers the installation; it cannot be suspended or deleted.",
)
CLIENT_PROTECTED = CATALOGUE.declare(
    "client-protected",
    409,
    "The client is in use here",
    "A client cannot disable itself: nobody might be left to enable another.",
)
