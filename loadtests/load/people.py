"""What all users of a load test have: an account, a token, and requests that compare."""

from __future__ import annotations

import json
import random
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, cast
from urllib.parse import quote

from locust import FastHttpUser
from locust.contrib.fasthttp import FastResponse

from loadtests.load.content import Content
from loadtests.load.site import BUCKET, Account, Site, login_headers

Check = Callable[[FastResponse], str | None]
#: How many files a user keeps; the oldest is deleted for each more.
_KEPT = 30


class WrongContent(AssertionError):
    """Bytes that came back are not those that were sent."""


class Person(FastHttpUser):
    """Somebody with an account of a quiet tenant."""

    abstract = True
    site: ClassVar[Site]
    large_bytes: ClassVar[int]
    account: Account

    def on_start(self) -> None:
        """Chooses the tenant."""
        self.account = self.site.next_quiet()
        self.folder = f"{type(self).__name__.lower()}/{uuid.uuid4().hex[:12]}"
        self.mine: deque[tuple[str, Content]] = deque()
        self.number = 0

    def token(self) -> str:
        """A token that is good for a while; the login is a request like others."""
        account = self.account
        if time.monotonic() >= account.renew_at:
            # At once, so that the others of the tenant do not log in, too.
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
        """The credential as a header field."""
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
        """A measured request; `None` when it failed. `check` says what is wrong with an answer."""
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
                self.site.faults.append(f"{name} {path.partition('?')[0]}: {wrong}")
                answer.failure(WrongContent(wrong))
                return None
            answer.success()
            return cast("FastResponse", answer)

    # ---- files ----

    def new_key(self, extension: str = "bin") -> str:
        """A key that nobody has."""
        self.number += 1
        return f"{self.folder}/{self.number:06}.{extension}"

    def put(self, content: Content, name: str = "PUT small", **headers: str) -> str | None:
        """Uploads and remembers; the key."""
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
        """Was acknowledged; the oldest file goes when there are many."""
        self.account.stored[key] = digest
        self.mine.append((key, content))
        if len(self.mine) > _KEPT:
            self.delete(self.mine.popleft()[0])

    def delete(self, key: str) -> None:
        """Deletes; whatever the answer, it may be gone now."""
        self.account.stored.pop(key, None)
        self.send("DELETE", file_path(key), "DELETE", b"", self.bearer(), 204)

    def get(self, key: str, content: Content) -> None:
        """Downloads and compares."""

        def check(answer: FastResponse) -> str | None:
            same = answer.content == content.part()
            return None if same else f"{len(answer.content)} bytes differ from what was sent"

        self.send("GET", file_path(key), "GET", b"", self.bearer(), 200, check=check)

    def get_range(self, key: str, content: Content) -> None:
        """Downloads a part and compares."""
        begin = random.randrange(content.size)
        end = random.randrange(begin, min(content.size, begin + 65_536))

        def check(answer: FastResponse) -> str | None:
            same = answer.content == content.part(begin, end + 1)
            return None if same else f"bytes {begin}-{end} differ from what was sent"

        fields = {**self.bearer(), "Range": f"bytes={begin}-{end}"}
        self.send("GET", file_path(key), "GET range", b"", fields, 206, check=check)

    def ask(self, method: str, path: str, name: str, content: object = None) -> Any:
        """A request with JSON in and out; `None` when it failed."""
        body = b"" if content is None else json.dumps(content).encode()
        fields = {**self.bearer(), "Content-Type": "application/json"}
        answer = self.send(method, path, name, body, fields)
        return None if answer is None else json.loads(answer.content)


def file_path(key: str, route: str = "files") -> str:
    """Where a file is."""
    return f"/v1/{route}/{BUCKET}/{quote(key)}"
