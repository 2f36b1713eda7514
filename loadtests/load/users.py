"""Users with small requests: services, people in browsers, readers, and the noisy tenant."""

from __future__ import annotations

import json
import random
from urllib.parse import urlencode, urlsplit

from locust import between, constant_throughput, tag, task
from locust.contrib.fasthttp import FastResponse

from loadtests.load.content import Content
from loadtests.load.people import Person, file_path
from loadtests.load.site import BUCKET

_BOUNDARY = "load-test-boundary"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
_TICKETS_FILES = 20


class Service(Person):
    """A program that uploads small files, downloads some of them, and deletes old ones."""

    weight = 8
    wait_time = between(0.1, 0.6)

    @tag("upload")
    @task(10)
    def store(self) -> None:
        """Upload a small file, one in five with a precondition and an idempotency key."""
        content = Content.random(200, 90_000)
        if random.random() < 0.2:
            self.put(content, **{"If-None-Match": "*", "Idempotency-Key": f"k{random.random()}"})
        else:
            self.put(content)

    @tag("download")
    @task(4)
    def read_back(self) -> None:
        """Download one of its files."""
        if found := self.any_file():
            self.get(*found)

    @tag("metadata")
    @task(2)
    def look(self) -> None:
        """Get the metadata of a file and compare the digest."""
        chosen = self.any_file()
        if chosen is None:
            return
        expected = self.account.stored[chosen[0]]

        def check(answer: FastResponse) -> str | None:
            found = json.loads(answer.content)["sha256"]
            return None if found == expected else f"the digest is {found}, not {expected}"

        self.ask("GET", file_path(chosen[0], "metadata"), "metadata", check=check)

    @tag("usage")
    @task(1)
    def usage(self) -> None:
        """Get the usage of the tenant."""
        self.ask("GET", "/v1/usage", "usage")


class Browser(Person):
    """A person who sends forms from a page, with a ticket or a token, and lists the folder."""

    weight = 3
    wait_time = between(0.5, 2)
    _ticket, _left = "", 0

    @tag("upload", "form")
    @task(3)
    def send_form(self) -> None:
        """Send a form with one to four files, with a token."""
        self._post(f"/v1/files/{BUCKET}", "POST form", self.bearer())

    @tag("upload", "form", "ticket")
    @task(2)
    def send_form_by_ticket(self) -> None:
        """Send a form with a ticket, as a page without a token does."""
        if not self._left:
            self._ticket = self._new_ticket()
            self._left = _TICKETS_FILES if self._ticket else 0
        if self._left:
            self._left = max(0, self._left - 4)
            self._post(f"/u/{self._ticket}", "POST form by ticket", {})

    @tag("list")
    @task(3)
    def list_folder(self) -> None:
        """List up to three pages of the user's folder."""
        cursor = ""
        for _ in range(3):
            query = {"prefix": f"{self.folder}/", "limit": 20}
            if cursor:
                query["cursor"] = cursor
            page = self.ask("GET", f"/v1/files/{BUCKET}?{urlencode(query)}", "list")
            if not page or not page["next_cursor"]:
                return
            cursor = page["next_cursor"]

    def _new_ticket(self) -> str:
        rules = {"bucket": BUCKET, "prefix": f"{self.folder}/", "max_files": _TICKETS_FILES}
        form = {
            "grant_type": _EXCHANGE,
            "subject_token": self.token(),
            "subject_token_type": _ACCESS_TOKEN,
            "expires_in": 300,
            "ticket": json.dumps(rules),
        }
        fields = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode(form).encode()
        answer = self.send("POST", "/auth/oauth/token", "ticket", body, fields, 200)
        return "" if answer is None else str(json.loads(answer.content)["access_token"])

    def _post(self, path: str, name: str, headers: dict[str, str]) -> None:
        contents = [Content.random(5_000, 1_000_000) for _ in range(random.randint(1, 4))]
        digests = [content.sha256() for content in contents]
        body = b""
        if headers:
            # A form with a ticket gets the ticket's prefix.
            body = (
                f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="prefix"\r\n\r\n'
                f"{self.folder}/\r\n"
            ).encode()
        for content in contents:
            self.number += 1
            body += (
                f"--{_BOUNDARY}\r\nContent-Disposition: form-data; "
                f'name="file"; filename="{self.number:06}.bin"\r\n'
                "Content-Type: application/octet-stream\r\n\r\n"
            ).encode()
            body += content.part() + b"\r\n"
        body += f"--{_BOUNDARY}--\r\n".encode()

        def check(answer: FastResponse) -> str | None:
            found = [file["sha256"] for file in json.loads(answer.content)["files"]]
            return None if found == digests else f"stored as {found}, sent as {digests}"

        fields = {**headers, "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
        answer = self.send("POST", path, name, body, fields, 201, check=check)
        if answer is not None:
            files = json.loads(answer.content)["files"]
            for file, content, digest in zip(files, contents, digests, strict=True):
                self.remember(file["key"], content, digest)


class Reader(Person):
    """A person who downloads: whole files, parts, unchanged files, and files by link."""

    weight = 6
    wait_time = between(0.1, 0.5)

    def on_start(self) -> None:
        """Upload three files to download later."""
        super().on_start()
        for _ in range(3):
            self.put(Content.random(2_000, 90_000))

    @tag("download")
    @task(4)
    def whole(self) -> None:
        """Download a whole file."""
        if found := self.any_file():
            self.get(*found)

    @tag("download")
    @task(4)
    def part(self) -> None:
        """Download a part of a file, as a video player does."""
        if found := self.any_file():
            self.get_range(*found)

    @tag("download")
    @task(2)
    def unchanged(self) -> None:
        """Ask for a file with the condition that it has changed, and expect 304."""
        if self.mine:
            key, _ = random.choice(self.mine)
            fields = {**self.bearer(), "If-None-Match": f'"sha256-{self.account.stored[key]}"'}
            first = self.send("HEAD", file_path(key), "HEAD", b"", self.bearer(), 200)
            if first is not None and first.headers is not None:
                fields["If-None-Match"] = str(first.headers["etag"])
                self.send("GET", file_path(key), "GET unchanged", b"", fields, 304)

    @tag("download", "link")
    @task(2)
    def by_link(self) -> None:
        """Create a link to a file and download by it."""
        if not self.mine:
            return
        key, content = random.choice(self.mine)
        wanted = {"bucket": BUCKET, "key": key, "expires_in": 600}
        made = self.ask("POST", "/v1/links", "link made", wanted)
        if made is not None:
            url = urlsplit(made["url"])

            def check(answer: FastResponse) -> str | None:
                same = answer.content == content.part()
                return None if same else "the bytes differ from what was sent"

            self.send("GET", url.path, "GET by link", b"", None, 200, check=check)


class Noisy(Person):
    """The user of a tenant that sends far more requests than it may send; 429 is no failure."""

    fixed_count = 1
    wait_time = constant_throughput(50)

    def on_start(self) -> None:
        """Choose the noisy tenant."""
        super().on_start()
        if self.site.noisy is not None:
            self.account = self.site.noisy

    def token(self) -> str:
        """Return a token. Log in far too often."""
        if random.random() < 0.02:
            self.account.renew_at = 0.0
        return super().token()

    @tag("noisy")
    @task(20)
    def flood(self) -> None:
        """Upload a small file, always under the same key."""
        fields = self.bearer()
        body = Content(0, 10_000).part()
        self.send("PUT", file_path("noise.bin"), "noisy: PUT", body, fields, 201, 429)

    @tag("noisy")
    @task(1)
    def heap(self) -> None:
        """Upload a file of 2 MiB."""
        body = Content(0, 2 << 20).part()
        self.send("PUT", file_path("noise.big"), "noisy: PUT large", body, self.bearer(), 201, 429)
