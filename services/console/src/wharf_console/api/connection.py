"""One connection to the gateway's door for the console: a unix socket, or `host:port`.

Its first line is that of the PROXY protocol, version 1: with it the API knows the browser's
address, as if the browser had connected itself. So a connection belongs to one browser's request.
"""

from __future__ import annotations

import http.client
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from wharf_console import doors
from wharf_console.api.bulkhead import Bulkhead
from wharf_console.api.problems import ApiUnavailable

# A change may take its time: whether it was made is not known when nobody waits for the answer.
_ANSWER_SECONDS = 20.0
# What only looks is asked again by whoever still wants to know.
_LOOK_SECONDS = 10.0
_LOOKS = frozenset(("GET", "HEAD"))
# Far more than any answer that a page is made of.
_MAX_ANSWER_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Caller:
    """The browser on whose behalf the API is called."""

    address: str = ""
    port: int = 0
    host: str = "127.0.0.1"
    user_agent: str = ""
    request_id: str = ""

    def proxy_line(self) -> bytes:
        """Return the line of the PROXY protocol that names the browser's address."""
        try:
            address = ipaddress.ip_address(self.address)
        except ValueError:
            return b"PROXY UNKNOWN\r\n"
        family, own = ("TCP4", "127.0.0.1") if address.version == 4 else ("TCP6", "::1")
        port = self.port if 0 <= self.port <= 65535 else 0
        return f"PROXY {family} {address.compressed} {own} {port} 80\r\n".encode()

    def fields(self) -> dict[str, str]:
        """Return the header fields that are passed on to the API."""
        given = {
            "Host": self.host,
            "User-Agent": self.user_agent,
            "X-Request-Id": self.request_id,
        }
        return {name: _one_line(value) for name, value in given.items() if value}


@dataclass(frozen=True)
class Answer:
    """What the API answered; `fields` are header fields by names in lower case."""

    status: int
    fields: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Connection:
    """Calls the API for one browser's request; connects with the first call."""

    def __init__(self, door: str, caller: Caller, bulkhead: Bulkhead | None = None) -> None:
        self._door, self._caller = door, caller
        self._bulkhead = bulkhead or Bulkhead()
        self._http: _DoorConnection | None = None

    def request(
        self,
        method: str,
        target: str,
        *,
        fields: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Return the answer, whatever its status; raises `ApiUnavailable`.

        A `GET` is tried once more where a kept connection turns out to be closed.
        """
        with self._bulkhead.of(target).one():
            return self._tried(method, target, fields or {}, body)

    def close(self) -> None:
        """Close the connection; the next call makes a new one."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def _tried(
        self, method: str, target: str, fields: Mapping[str, str], body: bytes | None
    ) -> Answer:
        kept = self._http is not None
        try:
            return self._exchange(method, target, fields, body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            # Whoever says nothing for so long is not asked again.
            if not kept or method not in _LOOKS or isinstance(error, TimeoutError):
                raise self._unavailable(error) from None
        try:
            return self._exchange(method, target, fields, body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._unavailable(error) from None

    def _exchange(
        self, method: str, target: str, fields: Mapping[str, str], body: bytes | None
    ) -> Answer:
        if self._http is None:
            self._http = _DoorConnection(self._door, self._caller.proxy_line())
        self._http.wait(_LOOK_SECONDS if method in _LOOKS else _ANSWER_SECONDS)
        self._http.request(method, target, body=body, headers={**self._caller.fields(), **fields})
        reply = self._http.getresponse()
        content = reply.read(_MAX_ANSWER_BYTES + 1)
        if len(content) > _MAX_ANSWER_BYTES:
            raise http.client.HTTPException("the answer is too long")
        if reply.will_close:
            self.close()
        return Answer(
            reply.status, {name.lower(): text for name, text in reply.getheaders()}, content
        )

    def _unavailable(self, error: Exception) -> ApiUnavailable:
        # The kind alone: a message may hold a path.
        return ApiUnavailable(type(error).__name__, request_id=self._caller.request_id)


class _DoorConnection(http.client.HTTPConnection):
    """HTTP over the unix socket, behind the line of the PROXY protocol."""

    def __init__(self, door: str, first_line: bytes) -> None:
        super().__init__("localhost", timeout=_ANSWER_SECONDS)
        self._door, self._first_line = door, first_line

    def wait(self, seconds: float) -> None:
        """Wait for each answer as long as this from now on."""
        self.timeout = seconds
        if self.sock is not None:
            self.sock.settimeout(seconds)

    def connect(self) -> None:
        """Connect, and say whose request this is."""
        made = doors.connect(self._door)
        try:
            made.settimeout(self.timeout)
            made.sendall(self._first_line)
        except OSError:
            made.close()
            raise
        self.sock = made


def _one_line(value: str) -> str:
    """Return the value as it may stand in a header field of HTTP."""
    return "".join(c if " " <= c <= "~" else "?" for c in value)[:1024]
