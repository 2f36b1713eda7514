"""Declared operations: each route declares its request and its responses once.

The declaration decodes and validates the request, and encodes the response. The OpenAPI document is
made from it (`servicekit.openapi`), so the document shows the types that the code decodes and
encodes. The registration of a route declares its protection (`servicekit.protected_routes`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import msgspec
from flask import Response, request

from servicekit.problems import MALFORMED, UNPROCESSABLE, UNSUPPORTED_MEDIA, Problem
from servicekit.web import json_response

T = TypeVar("T")


@dataclass(frozen=True)
class Content:
    """A body that is not JSON of a declared type: a media type and its JSON schema."""

    media_type: str = "*/*"
    schema: Mapping[str, Any] = field(
        default_factory=lambda: {"type": "string", "format": "binary"}
    )


@dataclass(frozen=True)
class Parameter:
    """A header field or query parameter for the document; the handler reads it itself."""

    name: str
    where: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    required: bool = False


@dataclass(frozen=True)
class Answer:
    """A successful response: its description, its body, and its header fields with descriptions."""

    description: str
    body: type | Content | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """The declaration of one route and method.

    `id` is the name of the method in client libraries: a verb and a noun in lowerCamelCase, unique
    in all services. The id is part of the API and never changes. `tag` is the operation's group.
    `body` is a msgspec type for JSON requests (or for forms, if `form` is true), or `Content`.
    `query` is a msgspec type for the query. `problems` are the operation's problems in addition to
    the common ones.
    """

    id: str
    tag: str
    summary: str
    answers: Mapping[int, Answer]
    body: type | Content | None = None
    body_required: bool = True
    form: bool = False
    query: type | None = None
    parameters: tuple[Parameter, ...] = ()
    problems: tuple[Problem, ...] = ()
    description: str = ""


def head_of(declared: Operation, name: str, summary: str) -> Operation:
    """Return the operation for `HEAD` with the id `name`: `declared` without response bodies."""
    answers = {status: replace(answer, body=None) for status, answer in declared.answers.items()}
    return replace(declared, id=name, summary=summary, answers=answers)


def operation(declared: Operation) -> Callable[[Callable[..., Any]], Callable[..., Response]]:
    """Return a decorator that applies a declaration to a Flask view.

    The view is called with the arguments of the path, and with `body` and `query` if they are
    declared. The view returns a `Response`, an object that msgspec can encode (with the first
    declared status), a pair `(status, object)`, or `None` for an empty response.
    """

    def decorate(view: Callable[..., Any]) -> Callable[..., Response]:
        @functools.wraps(view)
        def call(**arguments: Any) -> Response:
            if declared.query is not None:
                arguments["query"] = decode_query(declared.query)
            if isinstance(declared.body, type):
                arguments["body"] = decode_body(declared)
            return _response(view(**arguments), next(iter(declared.answers)))

        call.operation = declared  # type: ignore[attr-defined]
        return call

    return decorate


def _response(result: object, default_status: int) -> Response:
    if isinstance(result, Response):
        return result
    status = default_status
    if isinstance(result, tuple):
        status, result = result
    if result is None:
        response = Response(b"", status)
        del response.headers["Content-Type"]
        return response
    return json_response(result, status)


def decode_query(kind: type[T]) -> T:
    """Decode the query as `kind`; raise `malformed-request`, even for a repeated parameter."""
    names = set(request.args)
    if len(names) != sum(1 for _ in request.args.items(multi=True)):
        raise MALFORMED("The query repeats a parameter.")
    return _convert(dict(request.args), kind, "query")


def decode_body(declared: Operation) -> Any:
    """Decode the JSON or form body as the declared type; raise a 400, 415 or 422 problem."""
    kind: Any = declared.body
    if declared.form:
        if request.mimetype != "application/x-www-form-urlencoded":
            raise UNSUPPORTED_MEDIA(
                "Send a form: Content-Type application/x-www-form-urlencoded.",
                expected="application/x-www-form-urlencoded",
            )
        return _convert(dict(request.form), kind, "form")
    raw = request.get_data(cache=False)
    if not raw and not declared.body_required:
        raw = b"{}"
    elif request.mimetype != "application/json":
        raise UNSUPPORTED_MEDIA(
            "Send JSON: Content-Type application/json.", expected="application/json"
        )
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise UNPROCESSABLE(f"The body is not acceptable: {error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MALFORMED(f"The body is not JSON: {error}.") from None


def _convert(values: dict[str, str], kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(values, type=kind, strict=False)
    except msgspec.ValidationError as error:
        raise MALFORMED(f"The {where} is not acceptable: {error}.") from None
