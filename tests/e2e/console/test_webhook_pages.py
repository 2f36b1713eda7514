"""The pages of webhooks, from the forms through the gateway to upload."""

from __future__ import annotations

import re

import pytest

from tests.e2e.console.test_administration import Owner, hidden, shown, unique
from tests.servers.wharf.instance import Wharf

LIST = "/console/webhooks"
# A public address: a name would have to be resolved. The endpoint is paused before any event.
URL = "https://93.184.216.34"


@pytest.fixture
def owner(wharf: Wharf) -> Owner:
    """Return the first person of the demo tenant, logged in."""
    found = Owner(wharf)
    assert found.login()[0] == 303
    return found


def test_an_endpoint_from_its_making_to_its_end(owner: Owner) -> None:
    """An owner makes, pauses, changes, tests, retries, replays, rotates and deletes an endpoint."""
    url = f"{URL}/{unique('hook')}"
    new = f"{LIST}/new"
    once = hidden(owner.page(new), "once")
    status, text = owner.send(new, url="http://10.0.0.1/", once=once)
    assert (status, 'id="url-error"' in text) == (422, True)
    status, text = owner.send(new, url=url, bucket="No!", once=once)
    assert (status, 'id="bucket-error"' in text) == (422, True)
    status, text = owner.send(new, url=url, kinds=["file.created"], once=once)
    assert status == 201
    secret = shown(text, "endpoint-secret")
    assert secret.startswith("whsec_")
    found = re.search(rf'href="({LIST}/[0-9a-f]{{32}})"[^>]*>I have noted it', text)
    assert found
    page = found[1]
    assert owner.send(f"{page}/pause", on=page) == (303, page)
    assert "paused" in owner.page(page)
    assert url in owner.page(LIST)
    changed = {"url": f"{url}/2", "bucket": "default", "prefix": "reports/", "ordered": "y"}
    assert owner.send(f"{page}/change", **changed) == (303, page)
    assert "<bdi>default/reports/</bdi>" in owner.page(page)
    status, delivery = owner.send(f"{page}/test", on=page)
    assert status == 303
    assert "Delivery: Test" in owner.page(delivery)
    assert owner.send(f"{delivery}/retry", on=delivery) == (303, delivery)
    assert owner.send(f"{page}/replay", since="2026-11-18T10:00", zone="UTC") == (303, page)
    rotate = f"{page}/rotate"
    mark = hidden(owner.page(rotate), "once")
    status, text = owner.send(rotate, once=mark, confirmed="yes")
    assert status == 201
    assert shown(text, "endpoint-secret") not in ("", secret)
    assert owner.send(f"{page}/delete", confirmed="yes") == (303, LIST)
    assert owner.request("GET", page)[0] == 404
    assert url not in owner.page(LIST)
