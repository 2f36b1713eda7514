"""A client that receives events as a stream. After a break it continues behind its last event."""

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
    """A listener that receives all events of a tenant from the first one on.

    Attributes:
        `heard`: the events in the order of their arrival.
        streams: the number of streams so far.
        faults: errors that no client should get. A 503 with Retry-After is not one of them.
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
                pass  # the stream ends in the middle of an event: complete events stay
            except (OSError, AssertionError) as error:
                self.faults.append(repr(error))
                return
            # A browser waits before it reconnects, too.
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
