"""The problems that only the auth service has; the common ones are in `servicekit.problems`."""

from __future__ import annotations

from servicekit.problems import Catalogue

CATALOGUE = Catalogue()

TENANT_EXISTS = CATALOGUE.declare(
    "tenant-exists", 409, "The tenant exists", "Choose another name. Names are never reused."
)
TENANT_DELETED = CATALOGUE.declare(
    "tenant-deleted",
    409,
    "The tenant is deleted",
    "A deleted tenant can be resumed until `purge_at`. Later it cannot be resumed, used or "
    "changed.",
)
TENANT_RESERVED = CATALOGUE.declare(
    "tenant-reserved",
    409,
    "The tenant is reserved",
    "This tenant administers the installation. It cannot be suspended or deleted, and it "
    "has only clients and no users.",
)
TOO_MANY_SECRETS = CATALOGUE.declare(
    "too-many-secrets",
    409,
    "The client has two secrets",
    "Retire one of the client's secrets. Then you can add another secret.",
)
CLIENT_PROTECTED = CATALOGUE.declare(
    "client-protected",
    409,
    "The client is in use here",
    "A client cannot disable itself, because then possibly no client could enable it again.",
)
USER_EXISTS = CATALOGUE.declare(
    "user-exists",
    409,
    "The user exists",
    "Choose another name. Upper and lower case make no difference.",
)
USER_PROTECTED = CATALOGUE.declare(
    "user-protected",
    409,
    "The user is in use here",
    "People cannot disable, delete or demote themselves. Another owner or an administrator can"
    " do this. People change their own password at `PUT /auth/me/password`.",
)
GROUP_EXISTS = CATALOGUE.declare(
    "group-exists",
    409,
    "The group exists",
    "Choose another name. Upper and lower case make no difference.",
)
TOO_MANY_GROUPS = CATALOGUE.declare(
    "too-many-groups",
    409,
    "There are too many groups",
    "A tenant has at most 1,000 groups, and a person or client is in at most 16 of them. "
    "Delete a group, or remove the member from a group. One group can have many grants.",
)
TOO_MANY_REVOCATIONS = CATALOGUE.declare(
    "too-many-revocations",
    429,
    "Too much of the tenant was ended lately",
    "Every service remembers a revocation until the last affected token has expired, and the "
    "tenant has no entry left. Try again later. You can still disable a client, delete a user "
    "or end the user's sessions, because this is always allowed. The operator of the service "
    "can raise the limit (`WHARF_TENANT_MAX_REVOCATIONS`).",
)
LOGIN_REFUSED = CATALOGUE.declare(
    "login-refused",
    401,
    "The login is refused",
    "Tenant, name or password is wrong, or the user is disabled. The response does not "
    "state which.",
)
CROSS_SITE = CATALOGUE.declare(
    "cross-site-request",
    403,
    "The request comes from another site",
    "Only pages of this service's own origin may log in or send requests with the session cookie.",
)
