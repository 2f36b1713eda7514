"""The base class of all users: an account, a token, and requests that compare what they get."""

from __future__ import annotations

import json
import random
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, cast
from urllib.parse import quote

import gevent
from locust import FastHttpUser
from locust.contrib.fasthttp import FastResponse

from loadtests.load.api import Account, login_headers
from loadtests.load.content import Content
from loadtests.load.crew import Crew
from loadtests.load.site import BUCKET, Site

Check = Callable[[FastResponse], str | None]
# The most files that a user keeps. Above this number, the user deletes its oldest file.
_KEPT = 30


class WrongContent(AssertionError):
    """The bytes that were received differ from the bytes that were sent."""


class Person(FastHttpUser):
    """A user with an account of a quiet tenant.

    `mine` are the keys and contents of its files, the oldest first.
    """

    abstract = True
    crew: ClassVar[Crew]
    site: Site
    account: Account

    def on_start(self) -> None:
        """Choose the tenant."""
        if self.crew.site is None:
            raise gevent.GreenletExit  # The test has ended while locust started this user.
        self.site = self.crew.site
        self.account = self.site.next_quiet()
        self.folder = f"{type(self).__name__.lower()}/{uuid.uuid4().hex[:12]}"
        self.mine: deque[tuple[str, Content]] = deque()
        self.number = 0

    def token(self) -> str:
        """Return a token that is valid for a while. A login is measured like any other request."""
        account = self.account
        if time.monotonic() >= account.renew_at:
            # Set the time before the login, so that other users of the tenant do not log in.
            account.renew_at = time.monotonic() + 10
            answer = self.send(
                "POST",
                "/auth/oauth/token",
                "login",
                b"grant_type=client_credentials",
                login_headers(account.client_id, account.secret),
                200,
            )
            if answer is not None:
                found = json.loads(answer.content)
                account.keep(found["access_token"], found["expires_in"])
        return account.token

    def bearer(self) -> dict[str, str]:
        """Return the token as a header field."""
        return {"Authorization": f"Bearer {self.token()}"}

    def send(
        self,
        method: str,
        path: str,
        name: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *statuses: int,
        check: Check | None = None,
    ) -> FastResponse | None:
        """Send a measured request; return `None` when it failed.

        `statuses` are the expected statuses. `check` returns a description of an error in the
        response.
        """
        with self.client.request(
            method,
            path,
            name=name,
            data=body,  # type: ignore[arg-type]
            headers=dict(headers or {}),
            catch_response=True,
        ) as answer:
            if answer.status_code not in (statuses or (200, 201, 204)):
                shown = (answer.content or b"")[:200].decode(errors="replace")
                answer.failure(f"status {answer.status_code}: {shown}")
                return None
            wrong = check(answer) if check else None
            if wrong:
                self.crew.report(f"{name} {path.partition('?')[0]}: {wrong}")
                answer.failure(WrongContent(wrong))
                return None
            answer.success()
            return cast("FastResponse", answer)

    # ---- files ----

    def new_key(self, extension: str = "bin") -> str:
        """Return a key that no file has."""
        self.number += 1
        return f"{self.folder}/{self.number:06}.{extension}"

    def put(self, content: Content, name: str = "PUT small", **headers: str) -> str | None:
        """Upload a file and remember it; return its key, `None` when the upload failed."""
        key, digest = self.new_key(), content.sha256()

        def check(answer: FastResponse) -> str | None:
            found = json.loads(answer.content)["sha256"]
            return None if found == digest else f"stored as {found}, sent as {digest}"

        fields = {**self.bearer(), **headers, "Content-Type": "application/octet-stream"}
        path = file_path(key)
        if self.send("PUT", path, name, content.part(), fields, 201, check=check) is None:
            return None
        self.remember(key, content, digest)
        return key

    def remember(self, key: str, content: Content, digest: str) -> None:
        """Store that Wharf acknowledged a file. Delete the oldest file when there are many."""
        self.account.stored[key] = digest
        self.mine.append((key, content))
        if len(self.mine) > _KEPT:
            self.delete(self.mine.popleft()[0])

    def delete(self, key: str) -> None:
        """Delete a file; even after a failure, do not expect that the file exists."""
        self.account.stored.pop(key, None)
        self.send("DELETE", file_path(key), "DELETE", b"", self.bearer(), 204)

    def any_file(self) -> tuple[str, Content] | None:
        """Return one of the user's files; upload one first if there is none.

        Return `None` if the upload fails.
        """
        if not self.mine:
            self.put(Content.random(2_000, 90_000))
        return random.choice(self.mine) if self.mine else None

    def get(self, key: str, content: Content) -> None:
        """Download a file and compare its bytes."""

        def check(answer: FastResponse) -> str | None:
            same = answer.content == content.part()
            return None if same else f"{len(answer.content)} bytes differ from what was sent"

        self.send("GET", file_path(key), "GET", b"", self.bearer(), 200, check=check)

    def get_range(self, key: str, content: Content) -> None:
        """Download a random part of a file and compare its bytes."""
        begin = random.randrange(content.size)
        end = random.randrange(begin, min(content.size, begin + 65_536))

        def check(answer: FastResponse) -> str | None:
            same = answer.content == content.part(begin, end + 1)
            return None if same else f"bytes {begin}-{end} differ from what was sent"

        fields = {**self.bearer(), "Range": f"bytes={begin}-{end}"}
        self.send("GET", file_path(key), "GET range", b"", fields, 206, check=check)

    def ask(
        self, method: str, path: str, name: str, content: object = None, check: Check | None = None
    ) -> Any:
        """Send a request with JSON; return the JSON of the response, `None` when it failed."""
        body = b"" if content is None else json.dumps(content).encode()
        fields = {**self.bearer(), "Content-Type": "application/json"}
        answer = self.send(method, path, name, body, fields, check=check)
        return None if answer is None else json.loads(answer.content)


def file_path(key: str, route: str = "files") -> str:
    """Return the path of a file under a route of the API."""
    return f"/v1/{route}/{BUCKET}/{quote(key)}"
