"""The construction of OpenAPI 3.1 documents from the declared operations."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from flask import Flask, Response

from servicekit import problems
from servicekit.examples import NO_EXAMPLE, Example, Guide
from servicekit.operations import Answer, Content, Operation, Parameter
from servicekit.problems import Problem
from servicekit.protected_routes import protection_of
from servicekit.protection import Protection

_PATH_PARAMETER = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")
_REF = "#/components/schemas/{name}"

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem document.",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
    },
}


@dataclass(frozen=True)
class Route:
    """An operation with its method, path and protection.

    `path` has OpenAPI's form, e.g. `/v1/files/{bucket}`.
    """

    method: str
    path: str
    operation: Operation
    protection: Protection


def routes_of(app: Flask) -> list[Route]:
    """Return the routes of a Flask application that have a declared operation."""
    found: list[Route] = []
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        declared = getattr(view, "operation", None)
        if declared is not None:
            path = _PATH_PARAMETER.sub(r"{\1}", rule.rule)
            methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
            found.extend(Route(method, path, declared, protection_of(view)) for method in methods)
    return found


def served(build: Callable[[], dict[str, Any]]) -> Callable[[], Response]:
    """Return a view that serves the document; the first request builds it."""
    made: list[bytes] = []

    def get_document() -> Response:
        if not made:
            # Only the text is kept: the document as objects needs ten times the memory.
            made.append(msgspec.json.encode(build()))
        return Response(made[0], content_type="application/json")

    return get_document


def document(
    title: str,
    version: str,
    routes: Iterable[Route],
    always: tuple[Problem, ...],
    guide: Guide,
) -> dict[str, Any]:
    """Return the OpenAPI document; `always` are the problems of every protected operation."""
    routes = sorted(routes, key=lambda route: (route.path, route.method))
    _, schemas = msgspec.json.schema_components(
        _types(route.operation for route in routes), ref_template=_REF
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, always, guide)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "tags": [{"name": name, "description": text} for name, text in guide.tags.items()],
        "paths": paths,
        "components": {
            "schemas": {**schemas, "Problem": PROBLEM_SCHEMA},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
        },
    }


def _types(operations: Iterable[Operation]) -> list[type]:
    found: dict[type, None] = {}
    for declared in operations:
        for kind in (declared.body, *(answer.body for answer in declared.answers.values())):
            if isinstance(kind, type):
                found[kind] = None
    return list(found)


def _operation(route: Route, always: tuple[Problem, ...], guide: Guide) -> dict[str, Any]:
    declared = route.operation
    example = guide.examples.get(declared.id, NO_EXAMPLE)
    values = {**guide.values, **example.values}
    made: dict[str, Any] = {
        "operationId": declared.id,
        "tags": [declared.tag],
        "summary": declared.summary,
        "responses": _responses(
            declared, () if route.protection.is_open else always, example, values
        ),
    }
    if declared.description:
        made["description"] = declared.description
    if parameters := _parameters(route, guide.path_parameters, values):
        made["parameters"] = parameters
    if declared.body is not None:
        made["requestBody"] = {
            "required": declared.body_required,
            "content": _content(
                declared.body, _examples(example.body, example.bodies), form=declared.form
            ),
        }
    return {**made, **_security(route.protection)}


def _security(protection: Protection) -> dict[str, Any]:
    if protection.is_open:
        return {}
    made: dict[str, Any] = {"security": [{"token": []}]}
    if protection.scope:
        made["x-required-scope"] = protection.scope
    if protection.instead:
        made["x-scope-instead"] = protection.instead
    return made


def _examples(value: Any, by_name: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the members of a media type or parameter for one example, or for several by name."""
    if by_name:
        return {"examples": {name: {"value": one} for name, one in by_name.items()}}
    return {} if value is None else {"example": value}


def _parameters(
    route: Route, described: Mapping[str, str], values: Mapping[str, Any]
) -> list[dict[str, Any]]:
    found = [
        {
            "name": name,
            "in": "path",
            "description": described[name],
            "required": True,
            "schema": {"type": "string"},
        }
        for name in re.findall(r"{([^}]+)}", route.path)
    ]
    found += _query_parameters(route.operation)
    found += [_parameter(parameter) for parameter in route.operation.parameters]
    return [one | _examples(values.get(one["name"])) for one in found]


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "description": parameter.description,
        "required": parameter.required,
        "schema": dict(parameter.schema),
    }


def _query_parameters(declared: Operation) -> list[dict[str, Any]]:
    if declared.query is None:
        return []
    (schema,), components = msgspec.json.schema_components([declared.query], ref_template=_REF)
    if "$ref" in schema:
        schema = components[declared.query.__name__]
    required = schema.get("required", ())
    return [
        {
            "name": name,
            "in": "query",
            "description": properties.pop("description", ""),
            "required": name in required,
            "schema": properties,
        }
        for name, properties in schema["properties"].items()
    ]


def _content(
    kind: type | Content, examples: Mapping[str, Any], *, form: bool = False
) -> dict[str, Any]:
    if isinstance(kind, Content):
        return {kind.media_type: {"schema": dict(kind.schema), **examples}}
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REF)
    media_type = "application/x-www-form-urlencoded" if form else "application/json"
    return {media_type: {"schema": schema, **examples}}


def _responses(
    declared: Operation,
    always: tuple[Problem, ...],
    example: Example,
    values: Mapping[str, Any],
) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for status, answer in declared.answers.items():
        shown = _examples(example.answers.get(status))
        made[str(status)] = _answer(answer, headers(answer.headers, values), shown)
    by_status: dict[int, list[Problem]] = {}
    for problem in dict.fromkeys((*always, *_of_decoding(declared), *declared.problems)):
        by_status.setdefault(problem.status, []).append(problem)
    for status, kinds in sorted(by_status.items()):
        made[str(status)] = {
            "description": " / ".join(f"{kind.title} (`{kind.slug}`)" for kind in kinds),
            "content": {problems.CONTENT_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}},
        }
    return made


def _of_decoding(declared: Operation) -> tuple[Problem, ...]:
    """Return the problems that `operations.decode_query` and `decode_body` may raise."""
    found: tuple[Problem, ...] = ()
    if declared.query is not None:
        found += (problems.MALFORMED,)
    if isinstance(declared.body, type):
        found += (problems.UNSUPPORTED_MEDIA, problems.MALFORMED)
        found += () if declared.form else (problems.UNPROCESSABLE,)
    return found


def _answer(
    answer: Answer, fields: Mapping[str, Any], examples: Mapping[str, Any]
) -> dict[str, Any]:
    made: dict[str, Any] = {"description": answer.description}
    if fields:
        made["headers"] = fields
    if answer.body is not None:
        made["content"] = _content(answer.body, examples)
    return made


def headers(meanings: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return header objects from names and descriptions, with the examples in `values`."""
    return {
        name: {"description": meaning, "schema": {"type": "string"}, **_examples(values.get(name))}
        for name, meaning in meanings.items()
    }
