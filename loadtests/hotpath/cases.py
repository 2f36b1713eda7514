"""The kinds of requests whose CPU time is measured, and the gateway's part of each."""

from __future__ import annotations

import json
import sys
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

# Not imported from servicekit: an import of servicekit needs a folder for metrics first.
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
BODY = b"x" * 10_000
_FILES = "/v1/files/default"
_ORIGIN = "https://app.example"
_BOUNDARY = "wharf-hotpath-boundary"
_FORM_TYPE = f"multipart/form-data; boundary={_BOUNDARY}"
_FORM = (
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="'.encode(),
    b'"\r\nContent-Type: application/octet-stream\r\n\r\n' + BODY + b"\r\n"
    b"--" + _BOUNDARY.encode() + b"--\r\n",
)
# The announced length of a body that is too large for the fast path.
_LARGE_BYTES = "100000"
# The grants of a caller that reaches some folders, and the names that the cases use.
_FOLDERS = (*(f"folder-{number}/" for number in range(7)), "one", "PUT-", "admission-")
GRANTS = {
    "v": 1,
    "own": [["default", prefix, "rwdl"] for prefix in _FOLDERS],
    "s": "files:read files:write files:delete buckets:admin",
}
# The origins of a bucket whose files web pages read and write.
BUCKET = b'{"cors_origins": ["' + _ORIGIN.encode() + b'"]}'


def environ_of(method: str, path: str, token: str, body: bytes = b"") -> dict[str, Any]:
    """Return the WSGI environment that uWSGI makes of a request from nginx."""
    return {
        "REQUEST_METHOD": method,
        "REQUEST_URI": path,
        "PATH_INFO": "/_direct",
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/octet-stream" if body else "",
        "CONTENT_LENGTH": str(len(body)) if body else "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8080",
        "REMOTE_ADDR": "127.0.0.1",
        "REQUEST_SCHEME": "http",
        "REQUEST_ID": "0123456789abcdef0123456789abcdef",
        "TRACE_ID": "0123456789abcdef0123456789abcdef",
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "HTTP_HOST": "localhost:8080",
        "HTTP_USER_AGENT": "curl/8",
        "HTTP_ACCEPT": "*/*",
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
    }


@dataclass(frozen=True)
class Case:
    """A kind of request.

    `ask` sends one request with a new name. `prepare` does nginx's work before the measurement: it
    spools the bodies of the requests with these names. `share` is the part of the wanted number of
    requests that is sent, which is smaller for slow requests.
    """

    name: str
    ask: Callable[[str], object]
    prepare: Callable[[Sequence[str]], None] = lambda _names: None
    share: float = 0.25


class Gateway:
    """A sender of requests to the application, as nginx sends them, with the same input."""

    def __init__(
        self,
        application: Application,
        token: str,
        token_with_grants: str,
        spool_folder: Path,
        give_back: Callable[[str], None],
    ) -> None:
        """Store the tokens: `token_with_grants` has the claim `GRANTS`, `token` reaches all keys.

        `give_back` releases the reservation of a body.
        """
        self._give_back, self._reserved = give_back, list[str]()
        self._application, self._token, self._spool_folder = application, token, spool_folder
        self._token_with_grants, self._admission = token_with_grants, ""

    def cases(self) -> tuple[Case, ...]:
        """Return all kinds of requests; each kind comes after the kinds that it needs."""
        self.put("one")
        self._admission = self.admit("one")["X-Admission"]
        limited = Gateway(
            self._application, self._token_with_grants, "", self._spool_folder, self._give_back
        )
        return (
            Case("GET", self.get, share=1.0),
            Case("PUT", self.put),
            Case("admission", self.admit, self._end_bodies),
            Case("spooled PUT", self.put_spooled, self._spool_bodies),
            Case("form", self.post_form, self._spool_forms),
            Case("preflight", self.preflight),
            Case("GET with ten grants", limited.get, share=1.0),
            Case("PUT with ten grants", limited.put),
            Case("admission with ten grants", limited.admit, limited._end_bodies),
        )

    def get(self, _name: str) -> None:
        """Send a `GET` of a file."""
        self._ask(environ_of("GET", f"{_FILES}/one", self._token), "200")

    def put(self, name: str) -> None:
        """Send a `PUT` whose body is in memory."""
        self._ask(environ_of("PUT", f"{_FILES}/{name}", self._token, BODY), "201")

    def admit(self, name: str) -> dict[str, str]:
        """Ask for the admission of a large `PUT`; return the header fields of the response."""
        question = environ_of("PUT", f"{_FILES}/{name}", self._token)
        question |= {"WHARF_STEP": "admit", "WHARF_PART": "", "CONTENT_LENGTH": _LARGE_BYTES}
        answer = self._ask(question, "204")
        self._reserved.append(answer["X-Admission"])
        return answer

    def _end_bodies(self, _names: Sequence[str]) -> None:
        """End the bodies that were admitted but not sent, as the gateway does."""
        for token in self._reserved:
            self._give_back(json.loads(urlsafe_b64decode(token))["reservation"])
        self._reserved.clear()

    def put_spooled(self, name: str) -> None:
        """Send an admitted `PUT` whose body nginx has spooled."""
        request = environ_of("PUT", f"{_FILES}/{name}", self._token)
        self._ask(request | self._spooled(name, len(BODY)), "201")

    def post_form(self, name: str) -> None:
        """Send an admitted form with one file, which nginx has spooled."""
        request = environ_of("POST", _FILES, self._token)
        length = sum(map(len, _FORM)) + len(name)
        self._ask(request | self._spooled(name, length) | {"CONTENT_TYPE": _FORM_TYPE}, "201")

    def preflight(self, _name: str) -> None:
        """Send the preflight request of a browser before a page's `PUT` to another origin."""
        request = environ_of("OPTIONS", f"{_FILES}/one", "")
        del request["HTTP_AUTHORIZATION"]
        request |= {
            "HTTP_ORIGIN": _ORIGIN,
            "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "PUT",
            "HTTP_ACCESS_CONTROL_REQUEST_HEADERS": "authorization,content-type",
        }
        answer = self._ask(request, "204")
        assert answer["Access-Control-Allow-Origin"] == _ORIGIN

    def empty_spool(self) -> None:
        """Remove the spooled bodies, as nginx does after each response."""
        for path in self._spool_folder.iterdir():
            path.unlink()

    def _spooled(self, name: str, length: int) -> dict[str, Any]:
        return {
            "SPOOL_FILE": str(self._spool_folder / name),
            "ADMISSION": self._admission,
            "CONTENT_LENGTH": str(length),
        }

    def _spool_bodies(self, names: Sequence[str]) -> None:
        for name in names:
            (self._spool_folder / name).write_bytes(BODY)

    def _spool_forms(self, names: Sequence[str]) -> None:
        before, after = _FORM
        for name in names:
            (self._spool_folder / name).write_bytes(before + name.encode() + after)

    def _ask(self, environ: dict[str, Any], wanted: str) -> dict[str, str]:
        answer: dict[str, str] = {}

        def start(status: str, headers: list[tuple[str, str]]) -> None:
            if not status.startswith(wanted):
                raise SystemExit(f"{environ['REQUEST_METHOD']} {environ['REQUEST_URI']}: {status}")
            answer.update(headers)

        self._application(environ, start)
        return answer
