"""A visitor on a page of another origin who uploads with a ticket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.servers.browser import SCRIPT_SECONDS, Browser, Site
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.tenants import Signer

#: The host names of the service's site, and of a site that no bucket lists.
OURS, EVIL = "app.example", "evil.example"
BUCKET = "photos"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c02"
    "0000000b4944415478da6364f80f00010501012718e3660000000049454e44ae426082"
)
HTML = b"<!doctype html><html><body><script>alert(1)</script></body></html>\n"


@dataclass(frozen=True)
class Visitor:
    """A visitor; `api` belongs to the service behind the page, and the page has only tickets."""

    browser: Browser
    site: Site
    wharf: Wharf
    api: ApiClient
    folder: Path

    def bucket(self, **policy: object) -> None:
        """Make the bucket `photos`, or replace its policy. It lists our site's origin, unless
        `policy` lists other origins.
        """
        origins = {"cors_origins": [self.site.origin(OURS)]}
        answer = self.api.send_json("PUT", f"/v1/buckets/{BUCKET}", {**origins, **policy})
        assert answer.status in (200, 201), answer.body

    def ticket(self, **rules: Any) -> str:
        """Return an upload ticket for the bucket, as the service would give it to its page."""
        ticket = {"bucket": BUCKET, "prefix": "", **rules}
        return Signer(self.wharf).token(tid=self.api.tenant, scope="files:write", ticket=ticket)

    def file(self, name: str, content: bytes) -> str:
        """Write a file on the visitor's disk, and return its path."""
        path = self.folder / name
        path.write_bytes(content)
        return str(path)

    def visit(self, html: str, host: str = OURS) -> None:
        """Open a page with this body on the site."""
        self.browser.get(self.site.origin(host) + self.site.page(html))

    def fetch(self, target: str, options: str, *arguments: object) -> Any:
        """Call `fetch` in the page; return status, fields, text and JSON that the page can read.

        `options` is a JavaScript expression; the arguments are `args[1]` and so on.
        """
        return self.browser.run(
            f"const answer = await fetch(args[0], {options});"
            "const text = await answer.text();"
            "let json = null; try { json = JSON.parse(text); } catch {}"
            "const headers = Object.fromEntries(answer.headers);"
            "return {status: answer.status, headers, text, json}",
            self.wharf.url + target,
            *arguments,
        )

    def blocked(self, target: str, options: str, *arguments: object) -> str:
        """Call a `fetch` that the browser must refuse, and return the browser's error message."""
        refused = self.browser.run(
            f"try {{ await fetch(args[0], {options}) }} catch (e) {{ return e.name }}",
            self.wharf.url + target,
            *arguments,
        )
        assert refused == "TypeError", refused
        return self.browser.errors()

    def choose(self, selector: str, path: str) -> None:
        """Put a file into a field of a form."""
        self.browser.find_element(By.CSS_SELECTOR, selector).send_keys(path)

    def text(self, selector: str) -> str:
        """Return the text of an element."""
        found = self.browser.find_element(By.CSS_SELECTOR, selector).get_property("textContent")
        return str(found)

    def awaited(self, condition: Callable[[], object]) -> Any:
        """Wait until the condition is true, and return its value."""
        return WebDriverWait(self.browser, SCRIPT_SECONDS, 0.05).until(lambda _: condition())

    def slow(self, bytes_per_second: int) -> None:
        """Slow down uploads, so that their progress can be seen."""
        self.browser.command("Network.enable")
        self.browser.command(
            "Network.emulateNetworkConditions",
            offline=False,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=bytes_per_second,
        )

    def stored(self) -> list[str]:
        """Return the keys in the bucket."""
        return self.api.listed(BUCKET)
