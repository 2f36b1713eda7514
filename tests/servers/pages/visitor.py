"""A person at the console with a cookie jar, and requests at the console door."""

from __future__ import annotations

import http.client
import re
import socket
from urllib.parse import urlencode

from tests.servers.wharf.instance import Wharf
from tests.servers.wharf.raw_http import RawAnswer, parse

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
_TIMEOUT_SECONDS = 60


class Visitor:
    """A browser without scripts.

    Args:
        wharf: the Wharf that gets the requests.
        address: the address of this machine from which the browser connects.
    """

    def __init__(self, wharf: Wharf, address: str = "127.0.0.1") -> None:
        self._wharf, self._address = wharf, address
        self._cookies: dict[str, str] = {}

    def request(
        self, method: str, target: str, body: bytes = b"", **fields: str
    ) -> tuple[int, http.client.HTTPMessage, str]:
        """Send one request and return status, header fields and text. `_` in names
        of fields becomes `-`.
        """
        connection = http.client.HTTPConnection(
            "127.0.0.1", self._wharf.port, _TIMEOUT_SECONDS, source_address=(self._address, 0)
        )
        given = {name.replace("_", "-"): value for name, value in fields.items()}
        try:
            connection.request(method, target, body or None, {**self.headers(), **given})
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.partition(";")[0].partition("=")
            self._cookies[name] = value
        return answer.status, answer.headers, text

    def headers(self) -> dict[str, str]:
        """Return the header fields of a request that the person's browser sends now."""
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        return {"Accept": CHROME, "Cookie": cookies, "Sec-Fetch-Site": "same-origin"}

    def login(self, password: str | None = None, **fields: str) -> tuple[int, str]:
        """Log in as the first person of the demo tenant and return status and
        text of the response.
        """
        demo = self._wharf.credentials("demo")
        _, _, page = self.request("GET", "/console/login")
        form = dict(re.findall(r'name="(\w+)"[^>]* value="([^"]*)"', page))
        form |= {name: demo[name] for name in ("tenant", "username", "password")}
        if password is not None:
            form["password"] = password
        kind = {"Content_Type": "application/x-www-form-urlencoded"}
        body = urlencode(form).encode()
        status, _, text = self.request("POST", "/console/login", body, **kind, **fields)
        return status, text


def by_the_door(wharf: Wharf, first_line: bytes, request: bytes) -> list[RawAnswer]:
    """Return the responses at the console door, or an empty list when the
    gateway closes the connection.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_TIMEOUT_SECONDS)
        connection.connect(str(wharf.data / "run/console-door.sock"))
        received = b""
        try:
            connection.sendall(first_line + request)
            while chunk := connection.recv(65536):
                received += chunk
        except (BrokenPipeError, ConnectionResetError):
            return []
    return parse(received)
