"""Operations of an OpenAPI document, and their examples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Described:
    """An operation with its path, its method and its description in the document."""

    method: str
    path: str
    declared: dict[str, Any]
    document: dict[str, Any]

    @property
    def name(self) -> str:
        """Return the method and the path, for messages."""
        return f"{self.method} {self.path}"

    def parameters(self) -> list[dict[str, Any]]:
        """Return the parameters of path, query and header."""
        found: list[dict[str, Any]] = self.declared.get("parameters", [])
        return found

    def media_types(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield place and description of the request's body and of the body of each success."""
        for content in self.declared.get("requestBody", {}).get("content", {}).values():
            yield f"{self.name}: request", content
        for status, answer in self.declared["responses"].items():
            if status.startswith("2"):
                for content in answer.get("content", {}).values():
                    yield f"{self.name}: {status}", content

    def fields(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield place and description of each header field of a success."""
        for status, answer in self.declared["responses"].items():
            for name, header in answer.get("headers", {}).items():
                yield f"{self.name}: {status}: {name}", header

    def examples(self) -> Iterator[tuple[str, dict[str, Any], Any]]:
        """Yield each example with its place and its schema."""
        described = [
            *((f"{self.name}: {one['name']}", one) for one in self.parameters()),
            *self.media_types(),
            *self.fields(),
        ]
        for where, content in described:
            for value in values(content):
                yield where, content["schema"], value


def values(described: dict[str, Any]) -> list[Any]:
    """Return the examples of a parameter, header field or body."""
    single = [described["example"]] if "example" in described else []
    return [*single, *(one["value"] for one in described.get("examples", {}).values())]


def members(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Yield every single value in a JSON value, at any depth, with the name of its member."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from members(one, key)
    elif isinstance(value, list):
        for one in value:
            yield from members(one, name)
    else:
        yield name, value
