"""A person who uploads on a page of the console."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.servers.browser import SCRIPT_SECONDS, Browser
from tests.servers.console_pages import Answer, ConsolePages
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.tenants import Signer

BUCKET = "photos"
#: The upload speed in bytes a second of a connection on which an upload takes some time.
SLOW = 3_000_000
UPLOADS = """
{{ uploads.zone("photos", prefix, region=region) }}
<div id="files"></div>
{{ uploads.tray(owner, tickets="/console/tickets", csrf=csrf, page="/console/b/", login="/login") }}
"""
GUEST = """
{{ uploads.zone("photos") }}
{{ uploads.tray(owner, ticket=ticket) }}
"""


@dataclass(frozen=True)
class Person:
    """A person with a browser; `api` checks the stored files, and the page has only tickets."""

    browser: Browser
    pages: ConsolePages
    wharf: Wharf
    api: ApiClient
    folder: Path

    def tickets(self, seconds: int = 900, **rules: Any) -> Callable[[dict[str, str]], Answer]:
        """Return a handler that issues valid tickets, with `seconds` as their stated lifetime."""

        def give(form: dict[str, str]) -> Answer:
            narrow = {"bucket": form["bucket"], "prefix": form.get("prefix", ""), **rules}
            token = Signer(self.wharf).token(
                tid=self.api.tenant, sub="person", scope="files:write", ticket=narrow
            )
            return 201, {"ticket": token, "expires_in": seconds, "max_files": 100}

        return give

    def bucket(self, **policy: object) -> None:
        """Make the bucket `photos` with this policy, or replace the bucket's policy."""
        answer = self.api.send_json("PUT", f"/v1/buckets/{BUCKET}", policy)
        assert answer.status in (200, 201), answer.body

    def visit(self, prefix: str = "", region: str = "") -> None:
        """Open a page with a drop zone and a list of uploads, and wait for the queue."""
        owner = f"owner-{self.api.tenant}"
        self.browser.get(self.pages.page(UPLOADS, prefix=prefix, region=region, owner=owner))
        self.ready()

    def visit_as_guest(self, ticket: str) -> None:
        """Open a page for guests, which contains a ticket."""
        owner = f"guest-{self.api.tenant}"
        self.browser.get(self.pages.page(GUEST, ticket=ticket, owner=owner))
        self.ready()

    def wait(self, seconds: float) -> None:
        """Let the page run for a while."""
        milliseconds = int(seconds * 1000)
        self.browser.run("await new Promise(done => setTimeout(done, args[0]))", milliseconds)

    def ready(self) -> None:
        """Wait until the queue is ready."""
        self.awaited(lambda: self.browser.find_elements(By.CSS_SELECTOR, "[data-uploads=ready]"))

    def file(self, name: str, content: bytes) -> str:
        """Write a file on the person's disk, and return its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return str(path)

    def large(self, name: str, megabytes: int) -> tuple[str, str]:
        """Write a file of random bytes, and return its path and digest."""
        content = os.urandom(megabytes * 1_000_000)
        return self.file(name, content), hashlib.sha256(content).hexdigest()

    def choose(self, *paths: str, selector: str = "input[name=files]") -> None:
        """Choose files in a field."""
        self.browser.find_element(By.CSS_SELECTOR, selector).send_keys("\n".join(paths))

    def awaited(self, condition: Callable[[], object]) -> Any:
        """Wait until the condition is true, and return its value; elements may vanish before."""
        passing = (StaleElementReferenceException, NoSuchElementException)
        waiting = WebDriverWait(self.browser, SCRIPT_SECONDS, 0.05, ignored_exceptions=passing)
        return waiting.until(lambda _: condition())

    def rows(self) -> dict[str, tuple[str, str]]:
        """Return state and text of each upload in the list, by its name."""
        found: list[list[str]] = self.browser.run(
            "return [...document.querySelectorAll('[data-uploads-list] > li')].map(row => ["
            "row.querySelector('bdi').textContent, row.dataset.state,"
            "row.querySelector('.words').textContent])"
        )
        return {name: (state, words) for name, state, words in found}

    def states(self) -> list[str]:
        """Return the states of all uploads in the list."""
        return [state for state, _ in self.rows().values()]

    def press(self, name: str, action: str) -> None:
        """Press a button of an upload's row."""
        for row in self.browser.find_elements(By.CSS_SELECTOR, "[data-uploads-list] > li"):
            if row.find_element(By.TAG_NAME, "bdi").text == name:
                row.find_element(By.CSS_SELECTOR, f"[data-action={action}]").click()
                return
        raise AssertionError(f"{name} is not in the list")

    def sent(self) -> float:
        """Return the part of the first upload that is sent, between 0 and 1."""
        return float(self.browser.run("return document.querySelector('.tray progress').value"))

    def begin(self, name: str, megabytes: int, share: float) -> tuple[str, str]:
        """Begin an upload on a slow connection, and return path and digest of its file.

        Return when `share` of the file is sent. The upload continues.
        """
        self.bucket()
        self.visit()
        self.line(SLOW)
        path, digest = self.large(name, megabytes)
        self.choose(path)
        self.awaited(lambda: self.sent() > share)
        return path, digest

    def line(self, bytes_per_second: int = -1, *, off: bool = False) -> None:
        """Set the connection's upload speed (-1: no limit), or take the browser offline."""
        self.browser.command("Network.enable")
        self.browser.command(
            "Network.emulateNetworkConditions",
            offline=off,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=bytes_per_second,
        )

    def stored(self) -> dict[str, str]:
        """Return the digests of the files in the bucket, by key."""
        keys = self.api.listed(BUCKET)
        found = {key: self.api.get(f"/v1/metadata/{BUCKET}/{key}") for key in keys}
        return {key: answer.json()["sha256"] for key, answer in found.items()}

    def creations(self) -> int:
        """Return how many resumable uploads of this tenant have been created."""
        lines = self.wharf.log_lines("upload")
        mine = [line for line in lines if line.get("tenant") == self.api.tenant]
        return sum(line.get("outcome") == "upload-created" for line in mine)
