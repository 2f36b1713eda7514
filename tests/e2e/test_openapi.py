"""The OpenAPI documents: well-formed, and consistent with the responses of the services."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from servicekit.problems import COMMON
from tests.servers.wharf import documented
from tests.servers.wharf.api_client import ApiClient
from tests.servers.wharf.instance import Wharf

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
# The characters that OpenAPI allows in the name of a component.
_NAME = re.compile(r"[A-Za-z0-9._-]+")


@pytest.fixture(params=documented.DOCUMENTS)
def document(request: pytest.FixtureRequest, wharf: Wharf) -> dict[str, Any]:
    """Return each of the two documents in turn, fetched without a credential."""
    answer = ApiClient(wharf.port).get(request.param)
    assert answer.status == 200
    assert answer.header("Content-Type") == "application/json"
    found: dict[str, Any] = answer.json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield path, method and operation of each operation."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def references(content: object) -> Iterator[str]:
    """Yield the targets of all `$ref` in a document."""
    if isinstance(content, dict):
        for name, value in content.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(content, list):
        for value in content:
            yield from references(value)


def test_the_outer_form(document: dict[str, Any]) -> None:
    """The document is OpenAPI 3.1 with a title, a version and paths that begin with a slash."""
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert document["info"]["title"]
    assert document["info"]["version"]
    assert document["paths"]
    for path, methods in document["paths"].items():
        assert path.startswith("/")
        assert set(methods) <= METHODS
    for kind, members in document["components"].items():
        assert all(_NAME.fullmatch(name) for name in members), kind


def test_references_lead_somewhere(document: dict[str, Any]) -> None:
    """Every `$ref` names a schema of the document, and every schema is named by a `$ref`."""
    found = set(references(document))
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert found == known


def test_operations_are_whole(document: dict[str, Any]) -> None:
    """Each operation has a unique id, its path's parameters, a success and described responses."""
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(ids)) == len(ids)
    for path, method, operation in operations(document):
        where = f"{method} {path}"
        parameters = operation.get("parameters", [])
        in_path = {one["name"] for one in parameters if one["in"] == "path"}
        assert in_path == set(re.findall(r"{([^}]+)}", path)), where
        assert all(one["required"] for one in parameters if one["in"] == "path"), where
        names = [(one["in"], one["name"].lower()) for one in parameters]
        assert len(set(names)) == len(names), where
        assert all("schema" in one for one in parameters), where
        assert any(status.startswith("2") for status in operation["responses"]), where
        for status, response in operation["responses"].items():
            assert re.fullmatch("[1-5][0-9][0-9]", status), where
            assert response["description"], where
        if "requestBody" in operation:
            assert operation["requestBody"]["content"], where


def test_security_is_declared(document: dict[str, Any]) -> None:
    """Each operation is public, or declares a scheme, a 401 and, if it needs a scope, the scope."""
    schemes = document["components"]["securitySchemes"]
    for path, method, operation in operations(document):
        for requirement in operation.get("security", []):
            assert set(requirement) <= set(schemes)
            assert "401" in operation["responses"], (method, path)
            # Operations on the caller's own account need a token of any scope.
            own = path.startswith(("/auth/me", "/auth/sessions"))
            assert ("x-required-scope" in operation) != own, (method, path)


def test_public_operations_need_no_token(wharf: Wharf, document: dict[str, Any]) -> None:
    """An operation needs a token, unless the document declares the operation public."""
    anyone = ApiClient(wharf.port)
    for path, method, operation in operations(document):
        target = re.sub(r"{[^}]+}", "default", path.replace("{issuer_path}", "auth"))
        body = b"{}" if "requestBody" in operation else None
        answer = anyone.request(method.upper(), target, body)
        refused = answer.status == 401 and "Bearer" in answer.header("WWW-Authenticate")
        # A ticket in the path is a credential, which OpenAPI cannot describe.
        protected = "security" in operation or "{ticket}" in path
        assert refused == protected, (method, path, answer.status)


def test_undocumented_answers_are_noticed(wharf: Wharf) -> None:
    """The comparison with the observed responses finds a status that no document declares."""
    declared = documented.operations(ApiClient(wharf.port))
    seen = [("GET", "/v1/usage", 418), ("GET", "/v1/usage", 200), ("HEAD", "/v1/files/a/b/c", 206)]
    assert documented.missing(declared, seen) == ["GET /v1/usage: 418"]
    nowhere = [("PATCH", "/v1/usage", 200), ("GET", "/elsewhere", 500)]
    assert len(documented.missing(declared, nowhere)) == 1


@pytest.mark.parametrize("slug", sorted(COMMON.by_slug))
def test_problems_are_explained(wharf: Wharf, slug: str) -> None:
    """The page at the type of each common problem is HTML with the problem's title."""
    answer = ApiClient(wharf.port).get(f"/problems/{slug}")
    assert answer.status == 200
    assert answer.header("Content-Type").startswith("text/html")
    assert COMMON.by_slug[slug].title in answer.body.decode()
