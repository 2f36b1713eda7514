"""Tables for the walk over all routes (`test_route_walk.py`): every
operation and every parameter.
"""

from __future__ import annotations

PASSWORD = "a long password"

#: Operations that the walk leaves out, each with its scope or the test that covers it.
ELSEWHERE = {
    ("PUT", "/v1/buckets/{bucket}"): "makes one's own: test_tenancy.py",
    ("GET", "/v1/buckets"): "one's own alone: test_tenancy.py",
    ("GET", "/v1/usage"): "one's own alone: test_tenancy.py",
    ("GET", "/v1/events"): "one's own alone: test_events_are_ones_own, test_heard_live_is_ones_own",
    ("GET", "/v1/uploads"): "one's own alone: test_uploads_under_way_are_ones_own",
    ("GET", "/v1/ticket"): "the ticket's own: tests/unit/upload/test_ticket_document.py",
    ("POST", "/v1/links"): "names in the body: test_names_in_bodies",
    ("POST", "/v1/copies"): "names in the body: test_addresses_in_bodies",
    ("POST", "/v1/uploads"): "names in fields: test_names_in_upload_metadata",
    ("GET", "/v1/links"): "one's own tenant alone: test_links_are_ones_own",
    ("POST", "/v1/links/rotate"): "one's own key: test_rotating_is_ones_own",
    ("GET", "/.well-known/jwks.json"): "nobody's",
    ("GET", "/.well-known/oauth-authorization-server"): "nobody's",
    ("GET", "/.well-known/oauth-authorization-server/{issuer_path}"): "nobody's",
    ("POST", "/auth/login"): "tests/unit/auth/test_login.py",
    ("POST", "/auth/logout"): "tests/unit/auth/test_sessions_api.py",
    ("GET", "/auth/me"): "one's own: tests/unit/auth/test_sessions_api.py",
    ("PUT", "/auth/me/password"): "one's own: tests/unit/auth/test_sessions_api.py",
    ("GET", "/auth/sessions"): "one's own: tests/unit/auth/test_sessions_api.py",
    ("POST", "/auth/oauth/token"): "tests/unit/auth/test_token_exchange.py",
    ("POST", "/auth/oauth/revoke"): "test_oauth_libraries.py",
    ("POST", "/auth/oauth/introspect"): "test_oauth_libraries.py",
    ("GET", "/auth/v1/audit"): "administrators alone: test_administration_is_closed",
    ("GET", "/auth/v1/tenants"): "administrators alone: test_administration_is_closed",
    ("POST", "/auth/v1/tenants"): "administrators alone: test_administration_is_closed",
}
#: Operations that the walk requests.
WALKED = {
    ("GET", "/public/{tenant}/{bucket}/{key}"),
    ("HEAD", "/public/{tenant}/{bucket}/{key}"),
    ("GET", "/s/{token}"),
    ("HEAD", "/s/{token}"),
    ("GET", "/s/{token}/{key}"),
    ("HEAD", "/s/{token}/{key}"),
    ("POST", "/u/{ticket}"),
    ("PUT", "/u/{ticket}"),
    ("PUT", "/u/{ticket}/{key}"),
    ("DELETE", "/u/{ticket}/uploads/{upload}"),
    ("GET", "/u/{ticket}/uploads/{upload}"),
    ("HEAD", "/u/{ticket}/uploads/{upload}"),
    ("PATCH", "/u/{ticket}/uploads/{upload}"),
    ("POST", "/u/{ticket}/uploads/{upload}"),
    ("DELETE", "/v1/buckets/{bucket}"),
    ("GET", "/v1/buckets/{bucket}"),
    ("GET", "/v1/files/{bucket}"),
    ("POST", "/v1/files/{bucket}"),
    ("DELETE", "/v1/files/{bucket}/{key}"),
    ("GET", "/v1/files/{bucket}/{key}"),
    ("HEAD", "/v1/files/{bucket}/{key}"),
    ("PUT", "/v1/files/{bucket}/{key}"),
    ("GET", "/v1/metadata/{bucket}/{key}"),
    ("PATCH", "/v1/metadata/{bucket}/{key}"),
    ("HEAD", "/v1/uploads/{upload}"),
    ("GET", "/v1/uploads/{upload}"),
    ("GET", "/v1/links/{link}"),
    ("DELETE", "/v1/links/{link}"),
    ("PATCH", "/v1/uploads/{upload}"),
    ("POST", "/v1/uploads/{upload}"),
    ("DELETE", "/v1/uploads/{upload}"),
    ("GET", "/v1/tenants/{tenant}/limits"),
    ("PUT", "/v1/tenants/{tenant}/limits"),
    ("DELETE", "/auth/sessions/{session}"),
    ("DELETE", "/auth/v1/tenants/{tenant}"),
    ("GET", "/auth/v1/tenants/{tenant}"),
    ("PATCH", "/auth/v1/tenants/{tenant}"),
    ("GET", "/auth/v1/tenants/{tenant}/clients"),
    ("POST", "/auth/v1/tenants/{tenant}/clients"),
    ("DELETE", "/auth/v1/tenants/{tenant}/clients/{client}"),
    ("GET", "/auth/v1/tenants/{tenant}/clients/{client}"),
    ("PATCH", "/auth/v1/tenants/{tenant}/clients/{client}"),
    ("GET", "/auth/v1/tenants/{tenant}/clients/{client}/secrets"),
    ("POST", "/auth/v1/tenants/{tenant}/clients/{client}/secrets"),
    ("DELETE", "/auth/v1/tenants/{tenant}/clients/{client}/secrets/{secret}"),
    ("GET", "/auth/v1/tenants/{tenant}/groups"),
    ("POST", "/auth/v1/tenants/{tenant}/groups"),
    ("DELETE", "/auth/v1/tenants/{tenant}/groups/{group}"),
    ("GET", "/auth/v1/tenants/{tenant}/groups/{group}"),
    ("PATCH", "/auth/v1/tenants/{tenant}/groups/{group}"),
    ("GET", "/auth/v1/tenants/{tenant}/groups/{group}/members"),
    ("POST", "/auth/v1/tenants/{tenant}/groups/{group}/members"),
    ("DELETE", "/auth/v1/tenants/{tenant}/groups/{group}/members/{subject}"),
    ("PUT", "/auth/v1/tenants/{tenant}/groups/{group}/members/{subject}"),
    ("POST", "/auth/v1/tenants/{tenant}/resume"),
    ("POST", "/auth/v1/tenants/{tenant}/suspend"),
    ("GET", "/auth/v1/tenants/{tenant}/users"),
    ("POST", "/auth/v1/tenants/{tenant}/users"),
    ("DELETE", "/auth/v1/tenants/{tenant}/users/{user}"),
    ("GET", "/auth/v1/tenants/{tenant}/users/{user}"),
    ("PATCH", "/auth/v1/tenants/{tenant}/users/{user}"),
    ("PUT", "/auth/v1/tenants/{tenant}/users/{user}/password"),
    ("DELETE", "/auth/v1/tenants/{tenant}/users/{user}/sessions"),
}
#: Parameters that name an object of a tenant; the walk fills them in.
NAMES = {
    "tenant",
    "bucket",
    "key",
    "token",
    "ticket",
    "session",
    "client",
    "user",
    "upload",
    "secret",
    "group",
    "link",
    "maker",  # as a parameter of the query: test_links_are_ones_own
    "subject",  # as a parameter of the query: test_uploads_under_way_are_ones_own
}
#: Parameters that name no object of any tenant.
HARMLESS = {
    *("limit", "delimiter", "download", "w", "issuer_path", "after", "before", "order", "kind"),
    *("Range", "If-Match", "If-None-Match", "Prefer", "Content-Digest", "Repr-Digest"),
    *("Tus-Resumable", "Upload-Offset", "Upload-Length", "Upload-Defer-Length", "Upload-Complete"),
    *("Upload-Checksum", "X-HTTP-Method-Override"),
    "Upload-Metadata",  # test_names_in_upload_metadata
    "Upload-Concat",  # test_parts_of_another_tenant
    "prefix",  # a prefix of keys in the bucket of the path: test_tenancy.py
    "cursor",  # test_tenancy.py, test_uploads_under_way_are_ones_own
    "Idempotency-Key",  # stored for each tenant: test_idempotency_keys_are_ones_own
}
BODIES: dict[tuple[str, str], object] = {
    ("PATCH", "/v1/metadata/{bucket}/{key}"): {"key": "moved"},
    ("PUT", "/v1/tenants/{tenant}/limits"): {"max_bytes": 1},
    ("PATCH", "/auth/v1/tenants/{tenant}"): {"display_name": "Mine"},
    ("POST", "/auth/v1/tenants/{tenant}/clients"): {"name": "mine", "scopes": ["files:read"]},
    ("PATCH", "/auth/v1/tenants/{tenant}/clients/{client}"): {"scopes": ["files:read"]},
    ("POST", "/auth/v1/tenants/{tenant}/groups"): {"name": "mine", "grants": None},
    ("PATCH", "/auth/v1/tenants/{tenant}/groups/{group}"): {"grants": None},
    ("POST", "/auth/v1/tenants/{tenant}/groups/{group}/members"): {"add": ["absent-user"]},
    ("POST", "/auth/v1/tenants/{tenant}/users"): {"username": "mine", "role": "owner"},
    ("PATCH", "/auth/v1/tenants/{tenant}/users/{user}"): {"role": "owner"},
    ("PUT", "/auth/v1/tenants/{tenant}/users/{user}/password"): {"password": PASSWORD},
}
