"""Users with small requests: services, people in browsers, readers, and the noisy tenant."""

from __future__ import annotations

import json
import random
from urllib.parse import urlencode, urlsplit

from locust import between, constant_throughput, task
from locust.contrib.fasthttp import FastResponse

from loadtests.load.content import Content
from loadtests.load.people import Person, file_path
from loadtests.load.site import BUCKET

_BOUNDARY = "load-test-boundary"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
_TICKETS_FILES = 20


class Service(Person):
    """A program that stores small files, reads some of them back, and tidies up."""

    weight = 8
    wait_time = between(0.1, 0.6)

    @task(10)
    def store(self) -> None:
        """A document or a picture; now and then with the precautions of careful clients."""
        content = Content.random(200, 90_000)
        if random.random() < 0.2:
            self.put(content, **{"If-None-Match": "*", "Idempotency-Key": f"k{random.random()}"})
        else:
            self.put(content)

    @task(4)
    def read_back(self) -> None:
        """One of its own files."""
        if self.mine:
            self.get(*random.choice(self.mine))

    @task(2)
    def look(self) -> None:
        """What is known of a file."""
        if self.mine:
            key, _ = random.choice(self.mine)
            expected = self.account.stored[key]
            found = self.ask("GET", file_path(key, "metadata"), "metadata")
            if found is not None and found["sha256"] != expected:
                self.site.faults.append(f"metadata of {key}: {found['sha256']} for {expected}")

    @task(1)
    def usage(self) -> None:
        """What the tenant uses."""
        self.ask("GET", "/v1/usage", "usage")


class Browser(Person):
    """A person who sends forms from a page, by ticket or by token, and looks at the result."""

    weight = 3
    wait_time = between(0.5, 2)
    _ticket, _left = "", 0

    @task(3)
    def send_form(self) -> None:
        """A form with some pictures."""
        self._post(f"/v1/files/{BUCKET}", "POST form", self.bearer())

    @task(2)
    def send_form_by_ticket(self) -> None:
        """A page without a token: its service made a ticket for it."""
        if not self._left:
            self._ticket = self._new_ticket()
            self._left = _TICKETS_FILES if self._ticket else 0
        if self._left:
            self._left = max(0, self._left - 4)
            self._post(f"/u/{self._ticket}", "POST form by ticket", {})

    @task(3)
    def list_folder(self) -> None:
        """What is in the folder now, a page at a time."""
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
            # By ticket its prefix holds.
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
    """Somebody who downloads: whole files, parts, again without a change, by link."""

    weight = 6
    wait_time = between(0.1, 0.5)

    def on_start(self) -> None:
        """Has a few files to read."""
        super().on_start()
        for _ in range(3):
            self.put(Content.random(2_000, 90_000))

    @task(4)
    def whole(self) -> None:
        """All of a file."""
        if self.mine:
            self.get(*random.choice(self.mine))

    @task(4)
    def part(self) -> None:
        """As a video is watched."""
        if self.mine:
            self.get_range(*random.choice(self.mine))

    @task(2)
    def unchanged(self) -> None:
        """Is it still the same?"""
        if self.mine:
            key, _ = random.choice(self.mine)
            fields = {**self.bearer(), "If-None-Match": f'"sha256-{self.account.stored[key]}"'}
            first = self.send("HEAD", file_path(key), "HEAD", b"", self.bearer(), 200)
            if first is not None and first.headers is not None:
                fields["If-None-Match"] = str(first.headers["etag"])
                self.send("GET", file_path(key), "GET unchanged", b"", fields, 304)

    @task(2)
    def by_link(self) -> None:
        """A link that is made and followed."""
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
    """A tenant that sends far more than it may: its refusals are right, other failures are not."""

    fixed_count = 1
    wait_time = constant_throughput(50)

    def on_start(self) -> None:
        """Is of a tenant of its own."""
        super().on_start()
        if self.site.noisy is not None:
            self.account = self.site.noisy

    def token(self) -> str:
        """Logs in far too often, too."""
        if random.random() < 0.02:
            self.account.renew_at = 0.0
        return super().token()

    @task(20)
    def flood(self) -> None:
        """One small file after the other, always the same."""
        fields = self.bearer()
        body = Content(0, 10_000).part()
        self.send("PUT", file_path("noise.bin"), "noisy: PUT", body, fields, 201, 429)

    @task(1)
    def heap(self) -> None:
        """Something large."""
        body = Content(0, 2 << 20).part()
        self.send("PUT", file_path("noise.big"), "noisy: PUT large", body, self.bearer(), 201, 429)
