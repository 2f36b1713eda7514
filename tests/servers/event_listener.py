"""A client that listens to events as a stream, and comes back where it was when the stream ends."""

from __future__ import annotations

import http.client
import json
import threading
import time
from contextlib import closing
from typing import Any, Self

from tests.servers.wharf.api_client import ApiClient

_TIMEOUT_SECONDS = 60


class EventListener:
    """Hears all of a tenant's events from the first one on.

    Attributes:
        heard: the events in the order in which they came.
        streams: how often one began.
        faults: what no client should meet; 503 with a time to come again is none.
    """

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self.heard: list[dict[str, Any]] = []
        self.streams = 0
        self.faults: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._listen()
            except (ConnectionError, http.client.HTTPException):
                pass  # the stream ends in the middle of a word: what was whole stays
            except (OSError, AssertionError) as error:
                self.faults.append(repr(error))
                return
            # As a browser does.
            time.sleep(0.1)

    def _listen(self) -> None:
        after = self.heard[-1]["id"] if self.heard else 0
        fields = {
            "Authorization": f"Bearer {self._api.token}",
            "Accept": "text/event-stream",
            "Last-Event-ID": str(after),
        }
        with closing(
            http.client.HTTPConnection("127.0.0.1", self._api.port, timeout=_TIMEOUT_SECONDS)
        ) as connection:
            connection.request("GET", "/v1/events", headers=fields)
            answer = connection.getresponse()
            if answer.status == 503 and answer.headers["Retry-After"]:
                return
            assert answer.status == 200, (answer.status, answer.read(300))
            self.streams += 1
            self._hear(answer)

    def _hear(self, answer: http.client.HTTPResponse) -> None:
        fields: dict[str, str] = {}
        while not self._over.is_set() and (line := answer.readline().decode()):
            name, _, value = line.rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            else:
                if fields.get("event") == "event":
                    self.heard.append(json.loads(fields["data"]))
                fields = {}
