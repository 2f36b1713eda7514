"""Tests of the limits of tenants: administrators set them, admission and commit apply them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from servicekit.database import DatabaseUnavailable
from servicekit.testing import Issuer
from tests.servers.upload import UploadService, assemble, form_body, settings_for
from wharf_upload.domain.tenant_limits import Limits
from wharf_upload.tenancy.limits import TenantLimits

WAYS = pytest.mark.parametrize("spooled", [False, True])
NOTHING = {
    "max_bytes": None,
    "max_files": None,
    "max_file_bytes": None,
    "requests_per_minute": None,
    "client_requests_per_minute": None,
    "bytes_per_minute": None,
    "concurrent_uploads": None,
}


def set_limits(upload: UploadService, tenant: str = "demo", **limits: Any) -> TestResponse:
    """Set limits as an administrator."""
    token = upload.issuer.token(tid="operator", scope="tenants:admin", sub="admin")
    return upload.request(
        "PUT",
        f"/v1/tenants/{tenant}/limits",
        json.dumps(limits).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )


def problem(reply: TestResponse) -> dict[str, Any]:
    """Return the problem of a response or of a denial for the gateway."""
    denied = reply.headers.get("X-Denied-Problem")
    found: dict[str, Any] = json.loads(denied) if denied else reply.get_json()
    return {**found, "slug": found["type"].removeprefix("/problems/")}


def test_limits_are_set_and_shown(upload: UploadService) -> None:
    """The response has the set and the effective limits; the tenant sees the effective limits."""
    reply = set_limits(upload, max_bytes=1000, concurrent_uploads=4)
    assert reply.status_code == 200
    shown = reply.get_json()
    assert shown["limits"] == {**NOTHING, "max_bytes": 1000, "concurrent_uploads": 4}
    defaults = upload.settings.tenant_limits
    assert shown["effective"]["max_bytes"] == 1000
    assert shown["effective"]["max_files"] == defaults.max_files
    upload.put("a", b"12345")
    usage = upload.request("GET", "/v1/usage").get_json()
    assert usage == {"bytes": 5, "files": 1, "allowed": shown["effective"]}


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_limits_are_for_administrators(upload: UploadService, method: str) -> None:
    """A tenant can neither read nor set limits, even its own."""
    json_type = {"Content-Type": "application/json"}
    reply = upload.request(method, "/v1/tenants/demo/limits", b"{}", json_type)
    assert (reply.status_code, problem(reply)["slug"]) == (403, "insufficient-scope")


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_bytes": -1},
        {"max_bytes": 1.5},
        {"max_bytes": "1"},
        {"max_bytes": 1 << 63},
        {"max_file_bytes": 0},
        {"requests_per_minute": 0},
        {"bytes_per_minute": 0},
        {"concurrent_uploads": 3},
        {"concurrent_uploads": 256},
        {"owner": "demo"},
    ],
)
def test_limits_that_are_none(upload: UploadService, wrong: dict[str, Any]) -> None:
    """An invalid amount is refused and changes nothing."""
    reply = set_limits(upload, **wrong)
    assert (reply.status_code, problem(reply)["slug"]) == (422, "unprocessable")
    assert upload.records.limits("demo") == Limits()


@pytest.mark.parametrize("name", ["A", "ab", "a_b_c", "-abc", "%2e%2e"])
def test_names_of_no_tenant(upload: UploadService, name: str) -> None:
    """Limits for an invalid tenant's name get 404."""
    assert set_limits(upload, name).status_code == 404


@WAYS
def test_a_quota_of_bytes(upload: UploadService, *, spooled: bool) -> None:
    """A file beyond the quota of bytes gets 507 with the numbers, and leaves nothing."""
    set_limits(upload, max_bytes=10)
    assert upload.put("a", b"12345", spooled=spooled).status_code == 201
    blobs = upload.blobs()
    refused = problem(upload.put("b", b"123456", spooled=spooled))
    assert (refused["status"], refused["slug"]) == (507, "tenant-quota-exceeded")
    numbers = {"used_bytes": 5, "limit_bytes": 10, "needed_bytes": 6, "used_files": 1}
    assert numbers.items() <= refused.items()
    assert "5 of 10 bytes are used, and 6 more are needed" in refused["detail"]
    assert upload.blobs() == blobs
    assert upload.put("a", b"1234567890", spooled=spooled).status_code == 201


def test_a_large_body_is_refused_before_it_comes(upload: UploadService) -> None:
    """Admission refuses a body whose Content-Length exceeds the quota.

    Admission also refuses every form if the quota is used up.
    """
    set_limits(upload, max_bytes=10, max_files=1)
    environ = {"WHARF_STEP": "admit", "CONTENT_LENGTH": "11"}
    reply = upload.request("PUT", "/v1/files/default/a", environ=environ)
    assert problem(reply)["slug"] == "tenant-quota-exceeded"
    upload.put("a", b"1")
    refused = upload.post_form(form_body([("b", b"")]))
    assert (refused.status_code, problem(refused)["slug"]) == (403, "tenant-quota-exceeded")


def test_a_replacement_is_judged_by_the_difference(upload: UploadService) -> None:
    """Admission counts a replaced file as free space, as the commit does."""
    set_limits(upload, max_bytes=10, max_files=1)
    upload.put("a", b"1234567890")
    assert upload.put("a", b"0987654321", spooled=True).status_code == 201
    assert problem(upload.put("a", b"x" * 11, spooled=True))["slug"] == "tenant-quota-exceeded"


def test_a_repetition_is_answered_at_a_full_quota(upload: UploadService) -> None:
    """A repeated request is replayed although the quota is full."""
    set_limits(upload, max_bytes=5)
    fields = {"Idempotency-Key": "one"}
    for replayed in (None, "true"):
        reply = upload.put("a", b"12345", fields, spooled=True)
        assert (reply.status_code, reply.headers.get("Idempotent-Replayed")) == (201, replayed)


def test_a_form_is_all_or_nothing(upload: UploadService) -> None:
    """A form whose files together exceed the quota stores nothing and leaves no blob."""
    set_limits(upload, max_bytes=10)
    reply = upload.post_form(form_body([("a", b"12345"), ("b", b"123456")]))
    assert (reply.status_code, problem(reply)["slug"]) == (507, "tenant-quota-exceeded")
    assert upload.blobs() == set()
    assert upload.request("GET", "/v1/usage").get_json()["files"] == 0


def test_empty_files_use_up_the_count(upload: UploadService) -> None:
    """Row 71: the quota of files stops empty files."""
    set_limits(upload, max_files=2)
    statuses = [upload.put(f"empty-{number}", b"").status_code for number in range(4)]
    assert statuses == [201, 201, 507, 507]


@WAYS
def test_the_tenants_largest_file(upload: UploadService, *, spooled: bool) -> None:
    """A file above the tenant's limit gets 413, which names that limit."""
    set_limits(upload, max_file_bytes=5)
    refused = problem(upload.put("a", b"123456", spooled=spooled))
    assert (refused["status"], refused["limit"]) == (413, "tenant's file limit")
    assert refused["limit_bytes"] == 5
    assert upload.put("a", b"12345", spooled=spooled).status_code == 201


def test_a_tenants_requests(upload: UploadService) -> None:
    """Requests above a tenant's own limit are refused, however they are sent.

    Requests of other tenants are not refused.
    """
    set_limits(upload, requests_per_minute=3)
    statuses = [
        upload.request("GET", "/v1/usage").status_code,
        upload.put("a", b"1").status_code,
        upload.request("GET", "/v1/files/default/a").status_code,
    ]
    assert statuses == [200, 201, 200]
    for reply in (upload.request("GET", "/v1/usage"), upload.put("a", b"1")):
        assert reply.status_code == 429
        assert reply.headers["RateLimit-Policy"] in ('"tenant";q=3;w=60', '"client";q=3;w=60')
    upload.tenant = "other"
    assert upload.request("GET", "/v1/usage").status_code == 200


def test_a_clients_requests(upload: UploadService) -> None:
    """Each client has a separate limit below the limit of the tenant."""
    set_limits(upload, requests_per_minute=5, client_requests_per_minute=2)
    statuses = [upload.request("GET", "/v1/usage").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    other = {"Authorization": f"Bearer {upload.issuer.token(sub='client-2')}"}
    assert upload.request("GET", "/v1/usage", headers=other).status_code == 200


@WAYS
def test_bytes_of_a_minute(upload: UploadService, *, spooled: bool) -> None:
    """A body may exceed the bytes per minute; the tenant must wait afterwards."""
    set_limits(upload, bytes_per_minute=100)
    assert upload.put("a", b"x" * 60, spooled=spooled).status_code == 201
    assert upload.put("b", b"x" * 60, spooled=spooled).status_code == 201
    refused = upload.put("c", b"x", spooled=spooled)
    assert problem(refused)["slug"] == "quota-exceeded"
    assert problem(refused)["violated_policies"] == ["tenant-bytes"]
    prefix = "X-Denied-" if spooled else ""
    policy = refused.headers[f"{prefix}RateLimit-Policy"]
    assert policy == '"tenant-bytes";q=100;w=60;qu="content-bytes"'
    assert 1 <= int(refused.headers[f"{prefix}Retry-After"]) <= 60
    # Reading uses no bytes of this limit.
    assert upload.request("GET", "/v1/files/default/a").status_code == 200


def test_chunked_bytes_count_when_they_have_come(upload: UploadService) -> None:
    """A body without a length is counted by its size, so that the next body is refused."""
    set_limits(upload, bytes_per_minute=100)
    body = form_body([("a", b"x" * 200)])
    assert upload.post_form(body, announce=False).status_code == 201
    assert problem(upload.post_form(body, announce=False))["slug"] == "quota-exceeded"


def test_the_gateway_learns_of_concurrent_uploads(upload: UploadService) -> None:
    """An admission states how many concurrent uploads the tenant may have, if that is limited."""
    environ = {"WHARF_STEP": "admit", "CONTENT_LENGTH": "1"}
    reply = upload.request("PUT", "/v1/files/default/a", environ=environ)
    assert "X-Tenant-Uploads" not in reply.headers
    set_limits(upload, concurrent_uploads=4)
    reply = upload.request("PUT", "/v1/files/default/a", environ=environ)
    assert reply.headers["X-Tenant-Uploads"] == "4 demo"


def test_defaults_of_the_settings(upload_data: Path, issuer: Issuer) -> None:
    """A tenant without stored limits has the limits of the settings, where 0 means no limit."""
    settings = settings_for(
        upload_data, durability="relaxed", tenant_max_bytes=5, tenant_max_files=0
    )
    own = assemble(settings, issuer)
    assert own.put("a", b"123456").status_code == 507
    assert own.request("GET", "/v1/usage").get_json()["allowed"]["max_files"] is None
    own.database.close()


class Stored:
    """Stored limits whose reads are counted, and fail while `down` is set."""

    def __init__(self) -> None:
        self.asked, self.limits_now, self.down = 0, Limits(max_files=1), False

    def limits(self, tenant: str) -> Limits:
        """Return the stored limits."""
        self.asked += 1
        if self.down:
            raise DatabaseUnavailable(tenant)
        return self.limits_now


def test_limits_are_remembered_for_a_moment() -> None:
    """A process reads a tenant's limits once in two seconds, after which a change applies."""
    stored, now = Stored(), [0.0]
    limits = TenantLimits(stored, Limits(max_bytes=9), clock=lambda: now[0])
    assert limits.of("demo") == Limits(max_files=1, max_bytes=9)
    stored.limits_now = Limits(max_files=2)
    now[0] = 1.9
    assert limits.of("demo").max_files == 1
    assert stored.asked == 1
    now[0] = 2.0
    assert limits.of("demo").max_files == 2


def test_limits_hold_while_the_database_is_away() -> None:
    """During an outage known limits still apply, and an unknown tenant has the defaults."""
    stored, now = Stored(), [0.0]
    limits = TenantLimits(stored, Limits(max_bytes=9), clock=lambda: now[0])
    limits.of("demo")
    stored.down, now[0] = True, 3.0
    assert limits.of("demo") == Limits(max_files=1, max_bytes=9)
    assert limits.of("other") == Limits(max_bytes=9)
    # The limits were read only once, so that requests do not wait for the database again.
    assert stored.asked == 2
    stored.down, now[0] = False, 8.0
    assert limits.of("other") == Limits(max_files=1, max_bytes=9)
