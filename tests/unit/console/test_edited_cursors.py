"""Lists whose address has a cursor that a person has edited, so that the API refuses it."""

from __future__ import annotations

import pytest

from tests.servers.console import Console
from tests.servers.console_links import kept_link, lists_links
from tests.servers.console_people import serve_groups, serve_people
from tests.servers.fake_gateway import Call, Reply, problem

LISTS = (
    "/console/",
    "/console/account",
    "/console/b/docs/",
    "/console/clients",
    "/console/groups",
    "/console/groups/group-1",
    "/console/links",
    "/console/members",
    "/console/uploads",
)


@pytest.mark.parametrize("path", LISTS)
def test_a_refused_cursor_is_passed_over(
    console: Console, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Each list shows its first page, without an error, if the API refuses the cursor."""
    serve_people(console.gateway)
    serve_groups(console.gateway)
    lists_links(console.gateway, kept_link())
    console.gateway.on("GET", "/v1/uploads", Reply({"uploads": [], "next_cursor": None}))
    browser = console.person()
    reply_to, refused = console.gateway.reply_to, list[Call]()

    def reply(call: Call) -> Reply:
        if "cursor" not in call.query:
            return reply_to(call)
        refused.append(call)
        return problem(400, "malformed-request")

    monkeypatch.setattr(console.gateway, "reply_to", reply)
    page = browser.get(f"{path}?cursor=edited")
    assert page.status_code == 200, page.text
    assert "First page" not in page.text
    assert [call.query["cursor"] for call in refused] == [["edited"]]


@pytest.mark.parametrize("path", LISTS)
def test_another_refusal_is_shown(console: Console, path: str) -> None:
    """A list with a cursor shows a refusal that is not about the cursor."""
    browser = console.person()
    # The pattern excludes the requests for the person and for what the person may do.
    console.gateway.on("GET", "(?!/auth/me).*", problem(403, "forbidden"))
    assert browser.get(f"{path}?cursor=edited").status_code == 403
