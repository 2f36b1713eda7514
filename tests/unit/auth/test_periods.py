"""Periods of auth with the default settings."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.servers.auth import AuthService, refused
from tests.unit.auth.test_token_exchange import PHOTOS, exchange, token


def test_the_longest_ticket(auth: AuthService) -> None:
    """A ticket lives at most an hour, and by default as long as an ordinary token."""
    for seconds in (3599, 3600):
        made = exchange(auth, token(auth), PHOTOS, expires_in=str(seconds))
        assert made.get_json()["expires_in"] == seconds
    refused(exchange(auth, token(auth), PHOTOS, expires_in="3601"), 400, "invalid_request")
    assert exchange(auth, token(auth), PHOTOS).get_json()["expires_in"] == 900


def test_a_deleted_tenant_has_a_week(auth: AuthService) -> None:
    """A deleted tenant can be resumed for less than seven days."""
    for name in ("acme", "other"):
        auth.admin("POST", "/tenants", json={"tenant": name})
    gone = auth.admin("DELETE", "/tenants/acme").get_json()
    auth.admin("DELETE", "/tenants/other")
    times = [datetime.fromisoformat(gone[name]) for name in ("deleted_at", "purge_at")]
    assert times[1] - times[0] == timedelta(days=7)
    auth.clock.now += 7 * 86400 - 1
    auth._token = ""  # the administrator logs in again
    assert auth.admin("POST", "/tenants/other/resume").status_code == 204
    auth.clock.now += 1
    assert auth.admin("POST", "/tenants/acme/resume").status_code == 409


def test_lines_of_the_audit_log_stay_for_so_long(auth: AuthService) -> None:
    """An audit line stays for 400 days and is removed soon after, even without another act."""
    auth.admin("POST", "/tenants", json={"tenant": "acme"})

    def lines() -> int:
        environ = {"WHARF_INTERNAL": "1"}
        auth.app.test_client().get("/auth/internal/feed", environ_overrides=environ)
        return len(auth.records.audit(after=0, limit=9))

    auth.clock.now += 400 * 86400 - 61
    # The lines about the fixture's tenants are older, so housekeeping has removed them.
    assert lines() == 1
    auth.clock.now += 62
    assert lines() == 0
