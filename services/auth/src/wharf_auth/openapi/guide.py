"""Descriptions of tags and path parameters, and example values, for the OpenAPI document."""

from __future__ import annotations

from servicekit.examples import Guide
from wharf_auth.openapi import samples
from wharf_auth.openapi.examples import EXAMPLES

TAGS = {
    "tokens": "Access tokens and upload tickets: get, revoke and introspect them (OAuth 2.0).",
    "discovery": "The public keys, and the addresses of the endpoints.",
    "sessions": "Logins and sessions of people, and their own accounts.",
    "tenants": "The tenants of the installation; only administrators can use these operations.",
    "clients": "The programs of a tenant and their secrets.",
    "users": "The people of a tenant.",
    "groups": "Named sets of a tenant's people and clients, which share grants and scopes.",
    "audit": "The log of administrative acts: actor, act, time and outcome.",
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
