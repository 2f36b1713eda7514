"""Operations of an OpenAPI document, and the examples in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Described:
    """An operation as its document describes it."""

    method: str
    path: str
    declared: dict[str, Any]
    document: dict[str, Any]

    @property
    def name(self) -> str:
        """Method and path, for messages."""
        return f"{self.method} {self.path}"

    def parameters(self) -> list[dict[str, Any]]:
        """The parameters of path, query and header."""
        found: list[dict[str, Any]] = self.declared.get("parameters", [])
        return found

    def media_types(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Where a body of the request or of a success stands, and what is said of it."""
        for content in self.declared.get("requestBody", {}).get("content", {}).values():
            yield f"{self.name}: request", content
        for status, answer in self.declared["responses"].items():
            if status.startswith("2"):
                for content in answer.get("content", {}).values():
                    yield f"{self.name}: {status}", content

    def fields(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Header fields of successes: where they stand, and what is said of them."""
        for status, answer in self.declared["responses"].items():
            for name, header in answer.get("headers", {}).items():
                yield f"{self.name}: {status}: {name}", header

    def examples(self) -> Iterator[tuple[str, dict[str, Any], Any]]:
        """Every example: where it stands, the schema it has to fit, its value."""
        described = [
            *((f"{self.name}: {one['name']}", one) for one in self.parameters()),
            *self.media_types(),
            *self.fields(),
        ]
        for where, content in described:
            for value in values(content):
                yield where, content["schema"], value


def values(described: dict[str, Any]) -> list[Any]:
    """The examples of a parameter, header field or body."""
    single = [described["example"]] if "example" in described else []
    return [*single, *(one["value"] for one in described.get("examples", {}).values())]


def members(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Every member of a JSON value, however deep, by its name."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from members(one, key)
    elif isinstance(value, list):
        for one in value:
            yield from members(one, name)
    else:
        yield name, value
