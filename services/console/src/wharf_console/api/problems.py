"""The exceptions for a refusal of the API and for a missing response."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec

_STANDARD = frozenset(("type", "title", "status", "detail", "request_id"))


class ApiError(Exception):
    """The base of all failures of a call of the API."""


class ApiProblem(ApiError):
    """The API refused the call (RFC 9457).

    Attributes:
        slug: the problem's stable name, e.g. `not-found`; empty if the response is not a problem.
        retry_after: the seconds to wait, if the API names them.
        members: further members of the problem, e.g. `required_scope`.
    """

    def __init__(
        self,
        status: int,
        slug: str,
        title: str,
        detail: str,
        *,
        retry_after: int | None = None,
        members: dict[str, Any] | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(f"{status} {slug}: {detail}")
        self.status, self.slug, self.title, self.detail = status, slug, title, detail
        self.retry_after, self.members, self.request_id = retry_after, members or {}, request_id


class ApiUnavailable(ApiError):
    """The API cannot be reached, or does not respond in time."""

    def __init__(self, reason: str, *, retry_after: int = 5, request_id: str = "") -> None:
        super().__init__(reason)
        self.retry_after, self.request_id = retry_after, request_id


class SessionEnded(ApiError):
    """The person's session has ended, or the ticket of a guest is not valid."""


def problem_of(status: int, fields: dict[str, str], body: bytes) -> ApiProblem:
    """Return the problem in a response; `fields` has names in lower case."""
    document = _document(body)
    if "error" in document and "type" not in document:
        # RFC 6749 section 5.2.
        document = {"type": document["error"], "detail": document.get("error_description", "")}
    reason = HTTPStatus(status).phrase if status in HTTPStatus.__members__.values() else "Refused"
    return ApiProblem(
        status,
        str(document.get("type", "")).rpartition("/")[2],
        str(document.get("title", reason)),
        str(document.get("detail", "")),
        retry_after=_seconds(fields.get("retry-after", "")),
        members={name: value for name, value in document.items() if name not in _STANDARD},
        request_id=str(document.get("request_id") or fields.get("x-request-id", "")),
    )


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None
