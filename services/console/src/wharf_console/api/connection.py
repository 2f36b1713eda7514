"""A connection to the console door of a gateway, at a unix socket or at `host:port`.

The console first sends a line of the PROXY protocol, version 1, with the browser's address. The API
then treats the request as if the browser had connected. So a connection belongs to one request of a
browser.
"""

from __future__ import annotations

import http.client
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from wharf_console import doors
from wharf_console.api.bulkhead import Bulkhead
from wharf_console.api.problems import ApiUnavailable

# The longest wait for the response to a change. If the console gives up earlier, it does not know
# whether the change was made.
_ANSWER_SECONDS = 20.0
# The longest wait for the response to a read. The wait is shorter than for a change, because the
# person can load the page again.
_LOOK_SECONDS = 10.0
_LOOKS = frozenset(("GET", "HEAD"))
# The most bytes of a response: far more than any page needs.
_MAX_ANSWER_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Caller:
    """The browser for which the console calls the API."""

    address: str = ""
    port: int = 0
    host: str = "127.0.0.1"
    user_agent: str = ""
    request_id: str = ""

    def proxy_line(self) -> bytes:
        """Return the line of the PROXY protocol with the browser's address, or with `UNKNOWN`."""
        try:
            address = ipaddress.ip_address(self.address)
        except ValueError:
            return b"PROXY UNKNOWN\r\n"
        family, own = ("TCP4", "127.0.0.1") if address.version == 4 else ("TCP6", "::1")
        port = self.port if 0 <= self.port <= 65535 else 0
        return f"PROXY {family} {address.compressed} {own} {port} 80\r\n".encode()

    def fields(self) -> dict[str, str]:
        """Return the header fields that the console forwards to the API."""
        given = {
            "Host": self.host,
            "User-Agent": self.user_agent,
            "X-Request-Id": self.request_id,
        }
        return {name: _one_line(value) for name, value in given.items() if value}


@dataclass(frozen=True)
class Answer:
    """A response of the API; `fields` has the header fields by their names in lower case."""

    status: int
    fields: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Connection:
    """A connection for one request of a browser; it connects at the first call of the API."""

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
        """Send a request and return the response, with any status; raises `ApiUnavailable`.

        If the connection was open before and proves to be closed, a `GET` or `HEAD` is sent a
        second time.
        """
        with self._bulkhead.of(target).one():
            return self._tried(method, target, fields or {}, body)

    def close(self) -> None:
        """Close the connection; the next call opens a new one."""
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
            # Do not send the request again after a timeout.
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
            raise http.client.HTTPException("the response is too long")
        if reply.will_close:
            self.close()
        return Answer(
            reply.status, {name.lower(): text for name, text in reply.getheaders()}, content
        )

    def _unavailable(self, error: Exception) -> ApiUnavailable:
        # Name only the class of the error, because its message may contain a path.
        return ApiUnavailable(type(error).__name__, request_id=self._caller.request_id)


class _DoorConnection(http.client.HTTPConnection):
    """An HTTP connection to a door that begins with a line of the PROXY protocol."""

    def __init__(self, door: str, first_line: bytes) -> None:
        super().__init__("localhost", timeout=_ANSWER_SECONDS)
        self._door, self._first_line = door, first_line

    def wait(self, seconds: float) -> None:
        """Set how long to wait for each response from now on."""
        self.timeout = seconds
        if self.sock is not None:
            self.sock.settimeout(seconds)

    def connect(self) -> None:
        """Connect, and send the line of the PROXY protocol."""
        made = doors.connect(self._door)
        try:
            made.settimeout(self.timeout)
            made.sendall(self._first_line)
        except OSError:
            made.close()
            raise
        self.sock = made


def _one_line(value: str) -> str:
    """Return the first 1,024 characters, with `?` for those that a header field cannot have."""
    return "".join(c if " " <= c <= "~" else "?" for c in value)[:1024]
