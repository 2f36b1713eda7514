"""The commands and the script of docs/tour.md, "A page of your own that uploads", work unchanged.

A shell runs the commands, and a browser runs the script in a page.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.e2e.browser.visitor import HTML, PNG, Visitor
from tests.servers.code_blocks import blocks
from tests.servers.promised import holds
from tests.servers.wharf.api_client import Answer, ApiClient
from tests.servers.wharf.checkout_shell import run

TOUR = "docs/tour.md"
ORIGIN, GATEWAY = "http://localhost:3000", "http://127.0.0.1:8080"
PAGE = """
<input type=file><p></p>
<script>
const ticket = "{ticket}";
{script}
document.querySelector("input").onchange = async event =>
  document.querySelector("p").textContent = await upload(event.target.files[0]);
</script>
"""


def chosen(visitor: Visitor, name: str, content: bytes) -> str:
    """Return the text of the page after the visitor has chosen a file."""
    visitor.browser.run(
        "document.querySelector('p').textContent = document.querySelector('input').value = ''"
    )
    visitor.choose("input", visitor.file(name, content))
    return str(visitor.awaited(lambda: visitor.text("p")))


def test_done(visitor: Visitor, tmp_path: Path) -> None:
    """The page uploads a picture, and shows why Wharf refuses HTML named `.png` and a large file.

    Within 5 s after a suspension Wharf refuses the tenant's tokens, tickets and links.
    """
    wharf, heading = visitor.wharf, "A page of your own that uploads"
    (token,) = (block for block in blocks(TOUR, "Use") if block.startswith("token()"))
    token = token.partition("TOKEN=")[0]
    setup, ending = blocks(TOUR, heading)
    link, suspend = ending.splitlines()
    setup = setup.replace(ORIGIN, visitor.site.origin("localhost"))
    setup = setup.replace("/tmp/", f"{tmp_path}/")
    shell = f'{token}\n{setup}\nprintf \'\\n%s\\n%s\\n\' "$WEB" "$PAGE"'
    web, ticket = run(wharf, shell).splitlines()[-2:]

    (script,) = blocks(TOUR, heading, "js")
    page = PAGE.format(ticket=ticket, script=script.replace(GATEWAY, wharf.url))
    visitor.visit(page, "localhost")
    assert chosen(visitor, "a.png", PNG) == "from-the-page/a.png"
    said = chosen(visitor, "page.png", HTML)
    assert "text/html" in said
    assert "image/*" in said
    assert "5000000" in chosen(visitor, "large.png", PNG + bytes(5_000_000))

    made = run(wharf, f"WEB={web}\n{link}")
    url = json.loads(made)["url"]
    anyone, api = ApiClient(wharf.port), ApiClient(wharf.port, web, "initech")
    ways: dict[str, Callable[[], Answer]] = {
        "link": lambda: anyone.get(f"{url.rstrip('/')}/a.png"),
        "token": lambda: api.get("/v1/files/pictures"),
        "ticket": lambda: anyone.request("PUT", f"/u/{ticket}/b.png", PNG),
    }
    assert [answer().status for answer in ways.values()] == [200, 200, 201]
    run(wharf, suspend)
    assert holds(lambda: all(refused(answer()) for answer in ways.values()))
    assert ways["link"]().slug == "not-found"
    assert ways["token"]().slug == ways["ticket"]().slug == "tenant-suspended"
    assert "suspended" in chosen(visitor, "c.png", PNG).lower()


def refused(answer: Answer) -> bool:
    """Tell whether the response has one of the statuses 403 and 404, as for a suspended tenant."""
    return answer.status in (403, 404)
