"""Operation ids, which are names of methods in generated clients, so they never change.

A new id may be added here. If an id is changed or removed, programs that call it stop working.
"""

from __future__ import annotations

import re

from tests.unit.openapi.documents import Described

IDS = {
    ("GET", "/public/{tenant}/{bucket}/{key}"): "downloadPublicFile",
    ("HEAD", "/public/{tenant}/{bucket}/{key}"): "headPublicFile",
    ("GET", "/s/{token}"): "downloadFileByLink",
    ("HEAD", "/s/{token}"): "headFileByLink",
    ("GET", "/s/{token}/{key}"): "downloadFileByPrefixLink",
    ("HEAD", "/s/{token}/{key}"): "headFileByPrefixLink",
    ("POST", "/u/{ticket}"): "uploadFormByTicket",
    ("PUT", "/u/{ticket}"): "uploadFileByTicket",
    ("PUT", "/u/{ticket}/{key}"): "uploadNamedFileByTicket",
    ("DELETE", "/u/{ticket}/uploads/{upload}"): "deleteUploadByTicket",
    ("GET", "/u/{ticket}/uploads/{upload}"): "getUploadByTicket",
    ("HEAD", "/u/{ticket}/uploads/{upload}"): "headUploadByTicket",
    ("PATCH", "/u/{ticket}/uploads/{upload}"): "appendToUploadByTicket",
    ("POST", "/u/{ticket}/uploads/{upload}"): "appendToUploadByPostByTicket",
    ("GET", "/v1/buckets"): "listBuckets",
    ("DELETE", "/v1/buckets/{bucket}"): "deleteBucket",
    ("GET", "/v1/buckets/{bucket}"): "getBucket",
    ("PUT", "/v1/buckets/{bucket}"): "putBucket",
    ("POST", "/v1/copies"): "createCopy",
    ("GET", "/v1/events"): "listEvents",
    ("GET", "/v1/files/{bucket}"): "listFiles",
    ("POST", "/v1/files/{bucket}"): "uploadForm",
    ("DELETE", "/v1/files/{bucket}/{key}"): "deleteFile",
    ("GET", "/v1/files/{bucket}/{key}"): "downloadFile",
    ("HEAD", "/v1/files/{bucket}/{key}"): "headFile",
    ("PUT", "/v1/files/{bucket}/{key}"): "uploadFile",
    ("POST", "/v1/links"): "createLink",
    ("GET", "/v1/links"): "listLinks",
    ("GET", "/v1/webhooks"): "listWebhooks",
    ("POST", "/v1/webhooks"): "createWebhook",
    ("GET", "/v1/webhooks/{endpoint}"): "getWebhook",
    ("PATCH", "/v1/webhooks/{endpoint}"): "changeWebhook",
    ("DELETE", "/v1/webhooks/{endpoint}"): "deleteWebhook",
    ("POST", "/v1/webhooks/{endpoint}/test"): "testWebhook",
    ("POST", "/v1/webhooks/{endpoint}/rotate"): "rotateWebhookSecret",
    ("POST", "/v1/webhooks/{endpoint}/enable"): "enableWebhook",
    ("POST", "/v1/webhooks/{endpoint}/replay"): "replayWebhook",
    ("GET", "/v1/webhooks/{endpoint}/deliveries"): "listWebhookDeliveries",
    ("GET", "/v1/webhooks/{endpoint}/deliveries/{delivery}"): "getWebhookDelivery",
    ("POST", "/v1/webhooks/{endpoint}/deliveries/{delivery}/retry"): "retryWebhookDelivery",
    ("GET", "/v1/links/{link}"): "getLink",
    ("DELETE", "/v1/links/{link}"): "endLink",
    ("POST", "/v1/links/rotate"): "revokeLinks",
    ("GET", "/v1/metadata/{bucket}/{key}"): "getFileMetadata",
    ("PATCH", "/v1/metadata/{bucket}/{key}"): "updateFileMetadata",
    ("GET", "/v1/tenants/{tenant}/limits"): "getTenantLimits",
    ("PUT", "/v1/tenants/{tenant}/limits"): "setTenantLimits",
    ("GET", "/v1/ticket"): "getTicket",
    ("GET", "/v1/uploads"): "listUploads",
    ("POST", "/v1/uploads"): "createUpload",
    ("DELETE", "/v1/uploads/{upload}"): "deleteUpload",
    ("GET", "/v1/uploads/{upload}"): "getUpload",
    ("HEAD", "/v1/uploads/{upload}"): "headUpload",
    ("PATCH", "/v1/uploads/{upload}"): "appendToUpload",
    ("POST", "/v1/uploads/{upload}"): "appendToUploadByPost",
    ("GET", "/v1/usage"): "getUsage",
    ("GET", "/.well-known/jwks.json"): "getKeySet",
    ("GET", "/.well-known/oauth-authorization-server"): "getServerMetadata",
    ("GET", "/.well-known/oauth-authorization-server/{issuer_path}"): "getIssuerMetadata",
    ("POST", "/auth/login"): "logIn",
    ("POST", "/auth/logout"): "logOut",
    ("GET", "/auth/me"): "getCurrentUser",
    ("PUT", "/auth/me/password"): "changePassword",
    ("POST", "/auth/oauth/introspect"): "introspectToken",
    ("POST", "/auth/oauth/revoke"): "revokeToken",
    ("POST", "/auth/oauth/token"): "createToken",
    ("GET", "/auth/sessions"): "listSessions",
    ("DELETE", "/auth/sessions/{session}"): "endSession",
    ("GET", "/auth/v1/audit"): "listAuditActs",
    ("GET", "/auth/v1/tenants"): "listTenants",
    ("POST", "/auth/v1/tenants"): "createTenant",
    ("DELETE", "/auth/v1/tenants/{tenant}"): "deleteTenant",
    ("GET", "/auth/v1/tenants/{tenant}"): "getTenant",
    ("PATCH", "/auth/v1/tenants/{tenant}"): "updateTenant",
    ("GET", "/auth/v1/tenants/{tenant}/clients"): "listClients",
    ("POST", "/auth/v1/tenants/{tenant}/clients"): "createClient",
    ("DELETE", "/auth/v1/tenants/{tenant}/clients/{client}"): "disableClient",
    ("GET", "/auth/v1/tenants/{tenant}/clients/{client}"): "getClient",
    ("PATCH", "/auth/v1/tenants/{tenant}/clients/{client}"): "updateClient",
    ("GET", "/auth/v1/tenants/{tenant}/clients/{client}/secrets"): "listClientSecrets",
    ("POST", "/auth/v1/tenants/{tenant}/clients/{client}/secrets"): "createClientSecret",
    ("DELETE", "/auth/v1/tenants/{tenant}/clients/{client}/secrets/{secret}"): "deleteClientSecret",
    ("GET", "/auth/v1/tenants/{tenant}/groups"): "listGroups",
    ("POST", "/auth/v1/tenants/{tenant}/groups"): "createGroup",
    ("DELETE", "/auth/v1/tenants/{tenant}/groups/{group}"): "deleteGroup",
    ("GET", "/auth/v1/tenants/{tenant}/groups/{group}"): "getGroup",
    ("PATCH", "/auth/v1/tenants/{tenant}/groups/{group}"): "updateGroup",
    ("GET", "/auth/v1/tenants/{tenant}/groups/{group}/members"): "listGroupMembers",
    ("POST", "/auth/v1/tenants/{tenant}/groups/{group}/members"): "updateGroupMembers",
    ("DELETE", "/auth/v1/tenants/{tenant}/groups/{group}/members/{subject}"): "removeGroupMember",
    ("PUT", "/auth/v1/tenants/{tenant}/groups/{group}/members/{subject}"): "addGroupMember",
    ("POST", "/auth/v1/tenants/{tenant}/resume"): "resumeTenant",
    ("POST", "/auth/v1/tenants/{tenant}/suspend"): "suspendTenant",
    ("GET", "/auth/v1/tenants/{tenant}/users"): "listUsers",
    ("POST", "/auth/v1/tenants/{tenant}/users"): "createUser",
    ("DELETE", "/auth/v1/tenants/{tenant}/users/{user}"): "deleteUser",
    ("GET", "/auth/v1/tenants/{tenant}/users/{user}"): "getUser",
    ("PATCH", "/auth/v1/tenants/{tenant}/users/{user}"): "updateUser",
    ("PUT", "/auth/v1/tenants/{tenant}/users/{user}/password"): "setUserPassword",
    ("DELETE", "/auth/v1/tenants/{tenant}/users/{user}/sessions"): "endUserSessions",
}
_CAMEL_CASE = re.compile(r"[a-z]+([A-Z][a-z0-9]*)+")


def test_ids_stay_as_they_are(operations: list[Described]) -> None:
    """Each method and path has the same id as in earlier releases; each operation has an id."""
    assert {(one.method, one.path): one.declared["operationId"] for one in operations} == IDS


def test_ids_are_unique_over_both_services(operations: list[Described]) -> None:
    """An id is unique over both documents, because one client may be generated from both."""
    ids = [one.declared["operationId"].lower() for one in operations]
    assert len(ids) == len(set(ids))


def test_ids_are_verbs_and_nouns_in_camel_case(operations: list[Described]) -> None:
    """An id has at least two words in lowerCamelCase, for example `downloadFile`."""
    for one in operations:
        assert _CAMEL_CASE.fullmatch(one.declared["operationId"]), one.name
