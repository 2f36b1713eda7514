"""Tags, and what parameters and header fields look like, for the OpenAPI document."""

from __future__ import annotations

from servicekit.examples import Guide
from wharf_auth.openapi import samples
from wharf_auth.openapi.examples import EXAMPLES

TAGS = {
    "tokens": "Access tokens and upload tickets: get, revoke and introspect them (OAuth 2.0).",
    "discovery": "The public keys, and where the endpoints are.",
    "sessions": "Logins of people, their sessions, and what they may change about themselves.",
    "tenants": "Tenants, for administrators.",
    "clients": "The programs of a tenant and their secrets.",
    "users": "The people of a tenant.",
    "groups": "Named sets of a tenant's people and clients, which share grants and scopes.",
    "audit": "Who did what, and when.",
}
PATH_PARAMETERS = {
    "client": "The id of the client.",
    "group": "The id of the group.",
    "issuer_path": "The path of the issuer, without its first slash.",
    "secret": "The id of the secret; not the secret itself.",
    "session": "The id of the session.",
    "subject": "The id of a user or client.",
    "tenant": "The name of the tenant.",
    "user": "The id of the user.",
}
VALUES = {
    "client": samples.CLIENT,
    "group": samples.GROUP,
    "issuer_path": "auth",
    "secret": samples.SECRET,
    "session": samples.SESSION,
    "subject": samples.USER,
    "tenant": samples.TENANT,
    "user": samples.USER,
    "after": 41,
    "before": 43,
    "order": "newest",
    "cursor": samples.CLIENT,
    "limit": 100,
    "Cache-Control": "no-store",
    "Retry-After": "1",
    "Vary": "Cookie",
    "WWW-Authenticate": 'Basic realm="wharf", charset="UTF-8"',
}
GUIDE = Guide(TAGS, PATH_PARAMETERS, VALUES, EXAMPLES)
