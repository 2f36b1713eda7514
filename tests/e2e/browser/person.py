"""Somebody on a page of the console who uploads."""

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
#: Bytes a second of a line on which there is time to see an upload.
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
    """`api` is for looking at what was stored; the page has tickets alone."""

    browser: Browser
    pages: ConsolePages
    wharf: Wharf
    api: ApiClient
    folder: Path

    def tickets(self, seconds: int = 900, **rules: Any) -> Callable[[dict[str, str]], Answer]:
        """What answers requests for tickets: good ones that end after some seconds."""

        def give(form: dict[str, str]) -> Answer:
            narrow = {"bucket": form["bucket"], "prefix": form.get("prefix", ""), **rules}
            token = Signer(self.wharf).token(
                tid=self.api.tenant, sub="person", scope="files:write", ticket=narrow
            )
            return 201, {"ticket": token, "expires_in": seconds, "max_files": 100}

        return give

    def bucket(self, **policy: object) -> None:
        """Makes the bucket."""
        answer = self.api.send_json("PUT", f"/v1/buckets/{BUCKET}", policy)
        assert answer.status in (200, 201), answer.body

    def visit(self, prefix: str = "", region: str = "") -> None:
        """Opens a page with a drop zone and a tray, and waits for the queue."""
        owner = f"owner-{self.api.tenant}"
        self.browser.get(self.pages.page(UPLOADS, prefix=prefix, region=region, owner=owner))
        self.ready()

    def visit_as_guest(self, ticket: str) -> None:
        """Opens a page that has a ticket of its own."""
        owner = f"guest-{self.api.tenant}"
        self.browser.get(self.pages.page(GUEST, ticket=ticket, owner=owner))
        self.ready()

    def wait(self, seconds: float) -> None:
        """Lets the page go on for a while."""
        milliseconds = int(seconds * 1000)
        self.browser.run("await new Promise(done => setTimeout(done, args[0]))", milliseconds)

    def ready(self) -> None:
        """Waits until the queue is there."""
        self.awaited(lambda: self.browser.find_elements(By.CSS_SELECTOR, "[data-uploads=ready]"))

    def file(self, name: str, content: bytes) -> str:
        """A file on the person's disk; its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return str(path)

    def large(self, name: str, megabytes: int) -> tuple[str, str]:
        """A file of random bytes; its path and digest."""
        content = os.urandom(megabytes * 1_000_000)
        return self.file(name, content), hashlib.sha256(content).hexdigest()

    def choose(self, *paths: str, selector: str = "input[name=files]") -> None:
        """Chooses files in a field."""
        self.browser.find_element(By.CSS_SELECTOR, selector).send_keys("\n".join(paths))

    def awaited(self, condition: Callable[[], object]) -> Any:
        """The first true value of the condition; elements may go meanwhile."""
        passing = (StaleElementReferenceException, NoSuchElementException)
        waiting = WebDriverWait(self.browser, SCRIPT_SECONDS, 0.05, ignored_exceptions=passing)
        return waiting.until(lambda _: condition())

    def rows(self) -> dict[str, tuple[str, str]]:
        """State and words of each upload in the list, by its name."""
        found: list[list[str]] = self.browser.run(
            "return [...document.querySelectorAll('[data-uploads-list] > li')].map(row => ["
            "row.querySelector('bdi').textContent, row.dataset.state,"
            "row.querySelector('.words').textContent])"
        )
        return {name: (state, words) for name, state, words in found}

    def states(self) -> list[str]:
        """The states of all uploads in the list."""
        return [state for state, _ in self.rows().values()]

    def press(self, name: str, action: str) -> None:
        """Presses a button of an upload's row."""
        for row in self.browser.find_elements(By.CSS_SELECTOR, "[data-uploads-list] > li"):
            if row.find_element(By.TAG_NAME, "bdi").text == name:
                row.find_element(By.CSS_SELECTOR, f"[data-action={action}]").click()
                return
        raise AssertionError(f"{name} is not in the list")

    def sent(self) -> float:
        """How much of the first upload is sent, between 0 and 1."""
        return float(self.browser.run("return document.querySelector('.tray progress').value"))

    def begin(self, name: str, megabytes: int, share: float) -> tuple[str, str]:
        """Uploads a large file by a slow line until this share is sent; its path and digest."""
        self.bucket()
        self.visit()
        self.line(SLOW)
        path, digest = self.large(name, megabytes)
        self.choose(path)
        self.awaited(lambda: self.sent() > share)
        return path, digest

    def line(self, bytes_per_second: int = -1, *, off: bool = False) -> None:
        """How fast the line is upwards, and whether there is one."""
        self.browser.command("Network.enable")
        self.browser.command(
            "Network.emulateNetworkConditions",
            offline=off,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=bytes_per_second,
        )

    def stored(self) -> dict[str, str]:
        """Digests of the files in the bucket, by key."""
        keys = self.api.listed(BUCKET)
        found = {key: self.api.get(f"/v1/metadata/{BUCKET}/{key}") for key in keys}
        return {key: answer.json()["sha256"] for key, answer in found.items()}

    def creations(self) -> int:
        """How many resumable uploads of this tenant were begun."""
        lines = self.wharf.log_lines("upload")
        mine = [line for line in lines if line.get("tenant") == self.api.tenant]
        return sum(line.get("outcome") == "upload-created" for line in mine)
