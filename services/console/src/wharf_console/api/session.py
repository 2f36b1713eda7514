"""Calls the API as one person: adds the access token, and turns refusals into exceptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from wharf_console.api.connection import Answer
from wharf_console.api.problems import SessionEnded, problem_of

T = TypeVar("T")
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 -- no secret
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


class Transport(Protocol):
    """An object that sends requests to the API; see `connection.Connection`."""

    def request(
        self,
        method: str,
        target: str,
        *,
        fields: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Send a request and return the response, with any status; raises `ApiUnavailable`."""


class Tokens(Protocol):
    """The source of the person's access token; see `sessions.tokens`."""

    def current(self) -> str:
        """Return an access token that is not about to expire; raises `SessionEnded`."""

    def after(self, refused: str) -> str:
        """Return an access token that differs from the refused one; raises `SessionEnded`."""


class Session:
    """A session of calls to the API as one person, or without a token (`tokens=None`)."""

    def __init__(self, transport: Transport, tokens: Tokens | None = None) -> None:
        self._transport, self._tokens = transport, tokens

    @property
    def transport(self) -> Transport:
        """Return the object that sends the requests."""
        return self._transport

    def get(self, target: str, answer: type[T], **query: str | int | None) -> T:
        """Send a GET and return the decoded response; the query omits `None` and empty values."""
        return decoded(self.send("GET", with_query(target, **query)), answer)

    def post(self, target: str, body: object, answer: type[T]) -> T:
        """Send a POST with JSON and return the decoded response."""
        return decoded(self.send("POST", target, body=body), answer)

    def send(
        self,
        method: str,
        target: str,
        *,
        body: object = None,
        form: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request and return a response with a status below 400.

        `body` is sent as JSON, `form` as a form.

        Raises:
            ApiProblem: the API refused the call.
            SessionEnded: the person has to log in again.
            ApiUnavailable: there is no response.
        """
        sent = dict(fields or {})
        content = None
        if form is not None:
            content, sent["Content-Type"] = _form(form), FORM
        elif body is not None:
            content, sent["Content-Type"] = msgspec.json.encode(body), JSON
        answer = self._authorized(method, target, sent, content)
        if answer.status < 400:
            return answer
        raise problem_of(answer.status, answer.fields, answer.body)

    def exchange(self, form: Mapping[str, str], answer: type[T]) -> T:
        """Exchange the person's access token at auth (RFC 8693); `form` describes the new token.

        Raises:
            ApiProblem: auth refuses the requested token, for example with `invalid_request`.
            SessionEnded: the person has to log in again.
            ApiUnavailable: there is no response.
        """
        if self._tokens is None:
            raise SessionEnded("the person is not logged in")
        token = self._tokens.current()
        whole = {"grant_type": _EXCHANGE, **form, "subject_token_type": ACCESS_TOKEN}
        for last in (False, True):
            sent = {**whole, "subject_token": token}
            found = self._transport.request(
                "POST", "/auth/oauth/token", fields={"Content-Type": FORM}, body=_form(sent)
            )
            if found.status < 400:
                return decoded(found, answer)
            problem = problem_of(found.status, found.fields, found.body)
            # auth's detail for a token that has just expired or was revoked.
            if not problem.detail.startswith("The subject_token is not acceptable"):
                raise problem
            if not last:
                token = self._tokens.after(token)
        raise SessionEnded("token-revoked")

    def _authorized(
        self, method: str, target: str, fields: dict[str, str], body: bytes | None
    ) -> Answer:
        if self._tokens is None:
            return self._transport.request(method, target, fields=fields, body=body)
        token = self._tokens.current()
        for last in (False, True):
            fields["Authorization"] = f"Bearer {token}"
            answer = self._transport.request(method, target, fields=fields, body=body)
            if answer.status != 401:
                return answer
            slug = problem_of(401, answer.fields, answer.body).slug
            if last or slug != "token-expired":
                raise SessionEnded(slug)
            # The clocks differ. The API refused the request before it changed anything.
            token = self._tokens.after(token)
        raise AssertionError("the loop returns or raises")


def address(*segments: str, key: str = "") -> str:
    """Return the path with these segments, each percent-encoded; `key` keeps its slashes."""
    path = "".join(f"/{quote(segment, safe='')}" for segment in segments)
    return f"{path}/{quote(key, safe='/')}" if key else path


def with_query(target: str, **query: str | int | None) -> str:
    """Return the target with the query; omit parameters that are `None` or empty."""
    given = {name: value for name, value in query.items() if value not in {None, ""}}
    return f"{target}?{urlencode(given)}" if given else target


def _form(fields: Mapping[str, str]) -> bytes:
    return urlencode(fields).encode()


def decoded(answer: Answer, wanted: type[T]) -> T:
    """Return the response's JSON as the type; ignore members that the type does not have."""
    return msgspec.json.decode(answer.body, type=wanted)
