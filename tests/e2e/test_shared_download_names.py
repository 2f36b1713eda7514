"""`?download=` on links and public files; schemathesis once found a request that got a 503."""

from __future__ import annotations

import pytest

from tests.servers.wharf.api_client import ApiClient


@pytest.mark.parametrize("name", ["%09x", "a%1E", "a%0Ab", "%C2%99", "%E2%80%AEb", ""])
@pytest.mark.parametrize("fields", [{}, {"If-None-Match": '"x"'}])
def test_names_that_cannot_be(api: ApiClient, name: str, fields: dict[str, str]) -> None:
    """A forbidden name in `?download=` gets a download under the file's own name, never a 5xx."""
    assert api.send_json("PUT", "/v1/buckets/open", {"public": True}).status == 201
    api.stored("a.txt", bucket="open")
    link = api.send_json("POST", "/v1/links", {"bucket": "open", "key": "a.txt"}).json()["url"]
    for target in (link, f"/public/{api.tenant}/open/a.txt"):
        answer = api.get(f"{target}?download={name}", fields)
        assert answer.status == 200
        assert answer.header("Content-Disposition") == 'attachment; filename="a.txt"'
