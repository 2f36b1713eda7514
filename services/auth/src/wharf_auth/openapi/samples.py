"""The objects that all examples use. Tokens and secrets are shortened: `…` replaces the rest."""

from __future__ import annotations

TENANT = "acme"
CLIENT = "019f9a4a7a7b7a52bd06e1478c3f9b20"
SECRET = "019f9a4a7a7b7e0485a1d3c6f2907b4e"  # noqa: S105 -- an id, no secret
USER = "019f9a4a7a7b73c19f84b2e05d6a17c8"
GROUP = "019f9a4a7a7b7d16ab3f40c9e7285d1a"
SESSION = "019f9a4b21c47b6ea0d95f1c83e2746d"
TOKEN_ID = "019f9a4b21c47c0b9e5d718f3a26d4b1"  # noqa: S105 -- an id, no token
TOKEN, PART_OF_SECRET, REFRESH_TOKEN, PASSWORD = "eyJ…", "3q2-…", "9fKx…", "a long password"
CREATED, CHANGED = "2026-07-25T17:20:00.123Z", "2026-07-25T18:05:12.480Z"
ISSUED = 1_785_000_000
SCOPE = "files:read files:write"
TENANT_ACTIVE = {
    "tenant": TENANT,
    "display_name": "艾克美股份有限公司",
    "state": "active",
    "created_at": CREATED,
    "suspended_at": None,
    "deleted_at": None,
    "purge_at": None,
}
TENANT_DELETED = TENANT_ACTIVE | {
    "state": "deleted",
    "deleted_at": CHANGED,
    "purge_at": "2026-08-24T18:05:12.480Z",
}
OWN_FOLDER = {
    "bucket": "photos",
    "prefix": "users/{user_id}/",
    "actions": ["read", "write", "delete", "list"],
}
INBOX = {"bucket": "photos", "prefix": "inbox/", "actions": ["write"]}
AUDITED = {"bucket": "documents", "prefix": "", "actions": ["read", "list"]}
GROUP_NAME = {"group_id": GROUP, "name": "Auditors"}
GROUP_KNOWN = GROUP_NAME | {
    "tenant": TENANT,
    "scopes": ["files:read"],
    "grants": [AUDITED],
    "members": 2,
    "created_at": CREATED,
}
CLIENT_ACTIVE = {
    "client_id": CLIENT,
    "tenant": TENANT,
    "name": "Importer",
    "scopes": ["files:read", "files:write"],
    "grants": [INBOX],
    "groups": [],
    "state": "active",
    "created_at": CREATED,
    "disabled_at": None,
}
SECRET_KNOWN = {"secret_id": SECRET, "hint": "x7Qe", "created_at": CREATED}
USER_ACTIVE = {
    "user_id": USER,
    "tenant": TENANT,
    "username": "xiaoming@acme.example",
    "display_name": "王小明",
    "role": "editor",
    "grants": [OWN_FOLDER],
    "groups": [GROUP_NAME],
    "state": "active",
    "created_at": CREATED,
    "password_changed_at": CREATED,
    "disabled_at": None,
}
SESSION_CURRENT = {
    "session_id": SESSION,
    "created_at": CREATED,
    "used_at": CHANGED,
    "expires_at": "2026-08-24T17:20:00.123Z",
    "address": "203.0.113.7",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "current": True,
}
