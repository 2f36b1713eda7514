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
    "This tenant administers the installation: it cannot be suspended or deleted, and has clients "
    "only, no users.",
)
TOO_MANY_SECRETS = CATALOGUE.declare(
    "too-many-secrets",
    409,
    "The client has two secrets",
    "Retire one of the client's secrets; then it can be given another.",
)
CLIENT_PROTECTED = CATALOGUE.declare(
    "client-protected",
    409,
    "The client is in use here",
    "A client cannot disable itself: nobody might be left to enable another.",
)
USER_EXISTS = CATALOGUE.declare(
    "user-exists", 409, "The user exists", "Choose another name; case makes no difference."
)
USER_PROTECTED = CATALOGUE.declare(
    "user-protected",
    409,
    "The user is in use here",
    "People cannot disable, delete or demote themselves; another owner or an administrator can. "
    "The own password is changed at `PUT /auth/me/password`.",
)
GROUP_EXISTS = CATALOGUE.declare(
    "group-exists", 409, "The group exists", "Choose another name; case makes no difference."
)
TOO_MANY_GROUPS = CATALOGUE.declare(
    "too-many-groups",
    409,
    "There are too many groups",
    "A tenant has at most 1,000 groups, and a person or client is in at most 16 of them. Delete a "
    "group, or take the member out of one; one group may have many grants.",
)
TOO_MANY_REVOCATIONS = CATALOGUE.declare(
    "too-many-revocations",
    429,
    "Too much of the tenant was ended lately",
    "Every service remembers what was ended until its last token has expired, and the tenant has "
    "used up its share. Try again later. What is there can still be ended: disable a client, "
    "delete a user or end its sessions; that needs no room. The operator of the service can give "
    "more (`WHARF_TENANT_MAX_REVOCATIONS`).",
)
LOGIN_REFUSED = CATALOGUE.declare(
    "login-refused",
    401,
    "The login is refused",
    "Tenant, name or password is wrong, or the user is disabled; which one is not told.",
)
CROSS_SITE = CATALOGUE.declare(
    "cross-site-request",
    403,
    "The request comes from another site",
    "Logins, and what uses the cookie of a session, are for pages of this service's own origin.",
)
