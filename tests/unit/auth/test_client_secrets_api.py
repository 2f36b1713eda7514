"""`…/clients/{client}/secrets`: the API that changes a client's secret."""

from __future__ import annotations

import pytest

from tests.servers.auth import TOKEN, AuthService
from tests.servers.people import logged_in

SECRETS = "/tenants/demo/clients/wharf-demo/secrets"


def works(auth: AuthService, secret: str) -> bool:
    reply = auth.app.test_client().post(
        TOKEN, data={"grant_type": "client_credentials"}, auth=("wharf-demo", secret)
    )
    return reply.status_code == 200


def test_a_change_of_secrets_has_no_gap(auth: AuthService) -> None:
    """A client's new secret is valid next to the old secret, and stays valid when the old one is
    retired.
    """
    old = auth.credentials["demo"].client_secret
    reply = auth.admin("POST", SECRETS)
    assert reply.status_code == 201
    assert reply.headers["Cache-Control"] == "no-store"
    made = reply.get_json()
    assert made["client_id"] == "wharf-demo"
    assert made["client_secret"].endswith(made["hint"])
    first, second = auth.admin("GET", SECRETS).get_json()["secrets"]
    assert second == {key: made[key] for key in ("secret_id", "hint", "created_at")}
    assert works(auth, old)
    assert works(auth, made["client_secret"])
    assert auth.admin("DELETE", f"{SECRETS}/{first['secret_id']}").status_code == 204
    assert not works(auth, old)
    assert works(auth, made["client_secret"])
    acts = [one.act.act for one in auth.records.audit(after=0, limit=99)]
    assert acts[-2:] == ["clients.add-secret", "clients.retire-secret"]


def test_a_third_secret_is_refused(auth: AuthService) -> None:
    """The API refuses a third secret of a client with 409."""
    assert auth.admin("POST", SECRETS).status_code == 201
    reply = auth.admin("POST", SECRETS)
    assert reply.status_code == 409
    assert reply.get_json()["type"] == "/problems/too-many-secrets"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/tenants/demo/clients/absent/secrets"),
        ("POST", "/tenants/demo/clients/absent/secrets"),
        ("DELETE", "/tenants/demo/clients/absent/secrets/x"),
        ("DELETE", f"{SECRETS}/absent"),
        ("GET", "/tenants/demo/clients/wharf-admin/secrets"),
        ("POST", "/tenants/demo/clients/wharf-admin/secrets"),
    ],
)
def test_absent_clients_have_no_secrets(auth: AuthService, method: str, path: str) -> None:
    """An absent client or secret, and a client of another tenant, get 404."""
    assert auth.admin(method, path).status_code == 404


def test_owners_change_secrets_of_their_own_tenant(auth: AuthService) -> None:
    """An owner adds a secret to a client of its own tenant, and gets 404 for any other client."""
    ada = logged_in(auth, role="owner")
    assert ada.call("POST", f"/v1{SECRETS}").status_code == 201
    other = "/v1/tenants/wharf-admin/clients/wharf-admin/secrets"
    assert ada.call("GET", other).status_code == 404
    assert ada.call("POST", other).status_code == 404
