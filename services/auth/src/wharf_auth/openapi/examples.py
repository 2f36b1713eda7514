"""The examples of the operations by id; `tests/unit/openapi` compares them with the schemas."""

from __future__ import annotations

from servicekit.examples import Example
from wharf_auth.openapi import samples
from wharf_auth.routes.discovery import metadata

_OAUTH_REFUSALS = {
    400: {"error": "invalid_request", "error_description": "The parameter token is missing."},
    401: {
        "error": "invalid_client",
        "error_description": "The client is not known, or its secret is wrong.",
    },
    429: {"error": "temporarily_unavailable", "error_description": "Too many failed logins."},
    503: {
        "error": "temporarily_unavailable",
        "error_description": "Logins cannot be checked now.",
    },
}
_ACCESS = {
    "access_token": samples.TOKEN,
    "token_type": "Bearer",
    "expires_in": 900,
    "scope": samples.SCOPE,
}
_CLIENT = {"client_id": samples.CLIENT, "client_secret": samples.PART_OF_SECRET}
_TOKEN_FORM = {"token": samples.TOKEN, **_CLIENT}
TOKENS = {
    "createToken": Example(
        bodies={
            "client": {"grant_type": "client_credentials", "scope": samples.SCOPE, **_CLIENT},
            "ticket": {
                "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
                "subject_token": samples.TOKEN,
                "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
                "ticket": '{"bucket": "documents", "prefix": "收件箱/", "max_files": 3}',
                "expires_in": "600",
            },
            "live": {
                "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
                "subject_token": samples.TOKEN,
                "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
                "audience": "live",
            },
            "person": {"grant_type": "refresh_token", "refresh_token": samples.REFRESH_TOKEN},
        },
        answers={200: _ACCESS, **_OAUTH_REFUSALS},
    ),
    "revokeToken": Example(body=_TOKEN_FORM, answers=_OAUTH_REFUSALS),
    "introspectToken": Example(
        body=_TOKEN_FORM,
        answers={
            200: {
                "active": True,
                "scope": samples.SCOPE,
                "client_id": samples.CLIENT,
                "token_type": "Bearer",
                "exp": samples.ISSUED + 900,
                "iat": samples.ISSUED,
                "sub": samples.CLIENT,
                "iss": "https://files.example/auth",
                "jti": samples.TOKEN_ID,
                "tid": samples.TENANT,
            },
            **_OAUTH_REFUSALS,
        },
    ),
}
_CACHED = {"Cache-Control": "public, max-age=300"}
_METADATA = Example(
    answers={200: metadata("https://files.example/auth", "https://files.example")}, values=_CACHED
)
_KEY = {"kty": "RSA", "n": "sXch…", "e": "AQAB", "kid": "NzbL…", "use": "sig", "alg": "RS256"}
DISCOVERY = {
    "getKeySet": Example(answers={200: {"keys": [_KEY]}}, values=_CACHED),
    "getServerMetadata": _METADATA,
    "getIssuerMetadata": _METADATA,
}
_COOKIE = "__Host-wharf_refresh={}; Max-Age={}; Secure; HttpOnly; Path=/; SameSite=Strict"
SESSIONS = {
    "logIn": Example(
        body={
            "tenant": samples.TENANT,
            "username": samples.USER_ACTIVE["username"],
            "password": samples.PASSWORD,
        },
        answers={200: _ACCESS},
        values={"Set-Cookie": _COOKIE.format(samples.REFRESH_TOKEN, 2_592_000)},
    ),
    "logOut": Example(
        body={"refresh_token": samples.REFRESH_TOKEN},
        values={"Set-Cookie": _COOKIE.format("", 0)},
    ),
    "getCurrentUser": Example(
        answers={
            200: {
                "user_id": samples.USER,
                "tenant": samples.TENANT,
                "username": samples.USER_ACTIVE["username"],
                "tenant_display_name": samples.TENANT_ACTIVE["display_name"],
                "display_name": samples.USER_ACTIVE["display_name"],
                "role": "editor",
                "scopes": ["files:delete", "files:read", "files:write"],
                "grants": [
                    samples.OWN_FOLDER | {"prefix": f"users/{samples.USER}/"},
                    samples.AUDITED,
                ],
                "session": samples.SESSION_CURRENT,
            }
        }
    ),
    "changePassword": Example(
        body={"current_password": samples.PASSWORD, "new_password": "a longer password"}
    ),
    "listSessions": Example(
        answers={200: {"sessions": [samples.SESSION_CURRENT], "next_cursor": None}},
        values={"cursor": samples.SESSION},
    ),
}
TENANTS = {
    "createTenant": Example(
        body={
            "tenant": samples.TENANT,
            "display_name": samples.TENANT_ACTIVE["display_name"],
        },
        answers={201: samples.TENANT_ACTIVE},
    ),
    "listTenants": Example(
        answers={200: {"tenants": [samples.TENANT_ACTIVE], "next_cursor": samples.TENANT}},
        values={"cursor": samples.TENANT},
    ),
    "getTenant": Example(answers={200: samples.TENANT_ACTIVE}),
    "updateTenant": Example(
        body={"display_name": samples.TENANT_ACTIVE["display_name"]},
        answers={200: samples.TENANT_ACTIVE},
    ),
    "deleteTenant": Example(answers={200: samples.TENANT_DELETED}),
}
CLIENTS = {
    "createClient": Example(
        body={
            "name": "Importer",
            "scopes": ["files:read", "files:write"],
            "grants": [samples.INBOX],
        },
        answers={201: samples.CLIENT_ACTIVE | {"client_secret": samples.PART_OF_SECRET}},
    ),
    "listClients": Example(
        answers={200: {"clients": [samples.CLIENT_ACTIVE], "next_cursor": None}}
    ),
    "getClient": Example(answers={200: samples.CLIENT_ACTIVE}),
    "updateClient": Example(
        bodies={"grants": {"grants": [samples.INBOX]}, "everything": {"grants": None}},
        answers={200: samples.CLIENT_ACTIVE},
    ),
    "listClientSecrets": Example(answers={200: {"secrets": [samples.SECRET_KNOWN]}}),
    "createClientSecret": Example(answers={201: samples.SECRET_KNOWN | _CLIENT}),
}
USERS = {
    "createUser": Example(
        body={
            "username": samples.USER_ACTIVE["username"],
            "role": "editor",
            "display_name": samples.USER_ACTIVE["display_name"],
            "grants": [samples.OWN_FOLDER],
        },
        answers={201: samples.USER_ACTIVE | {"password": "tR8w…"}},
    ),
    "listUsers": Example(
        answers={200: {"users": [samples.USER_ACTIVE], "next_cursor": None}},
        values={"cursor": samples.USER},
    ),
    "getUser": Example(answers={200: samples.USER_ACTIVE}),
    "updateUser": Example(
        bodies={
            "role": {"role": "editor"},
            "disable": {"state": "disabled"},
            "grants": {"grants": [samples.OWN_FOLDER]},
        },
        answers={200: samples.USER_ACTIVE},
    ),
    "setUserPassword": Example(body={"password": samples.PASSWORD}),
}
_MEMBERS = [
    {"subject": samples.CLIENT, "kind": "client", "name": "Importer"},
    {"subject": samples.USER, "kind": "user", "name": samples.USER_ACTIVE["username"]},
]
GROUPS = {
    "createGroup": Example(
        body={"name": "Auditors", "scopes": ["files:read"], "grants": [samples.AUDITED]},
        answers={201: samples.GROUP_KNOWN},
    ),
    "listGroups": Example(
        answers={200: {"groups": [samples.GROUP_KNOWN], "next_cursor": None}},
        values={"cursor": samples.GROUP},
    ),
    "getGroup": Example(answers={200: samples.GROUP_KNOWN}),
    "updateGroup": Example(body={"grants": [samples.AUDITED]}, answers={200: samples.GROUP_KNOWN}),
    "listGroupMembers": Example(answers={200: {"members": _MEMBERS, "next_cursor": None}}),
    "updateGroupMembers": Example(body={"add": [samples.CLIENT, samples.USER], "remove": []}),
}
AUDIT = {
    "listAuditActs": Example(
        answers={
            200: {
                "acts": [
                    {
                        "seq": 42,
                        "at": samples.CHANGED,
                        "actor": samples.USER,
                        "actor_tenant": samples.TENANT,
                        "address": "203.0.113.7",
                        "request_id": "0b6f5c1e9a7d4832b1c0e4f59d27a386",
                        "act": "users.create",
                        "tenant": samples.TENANT,
                        "about": samples.USER,
                        "outcome": "done",
                    }
                ],
                "next_after": None,
                "next_before": 42,
            }
        }
    ),
}
EXAMPLES = {
    **TOKENS,
    **DISCOVERY,
    **SESSIONS,
    **TENANTS,
    **CLIENTS,
    **USERS,
    **GROUPS,
    **AUDIT,
}
