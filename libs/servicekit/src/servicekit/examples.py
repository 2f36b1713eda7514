"""The types for the tags and examples of an OpenAPI document.

Only the document needs these values, so a service imports its examples when it builds the document.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Example:
    """The examples of one operation. Bodies are JSON, or objects that msgspec encodes as JSON.

    `body` is the body of the request; `bodies` are several bodies by name. `answers` are the bodies
    of responses by status. `values` are values of parameters and of responses' header fields by
    name; they replace the values in the guide.
    """

    body: Any = None
    bodies: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[int, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


NO_EXAMPLE = Example()


@dataclass(frozen=True)
class Guide:
    """The tags with their descriptions, and the examples of one document.

    `path_parameters` are descriptions of path parameters by name. `values` are example values of
    parameters and header fields by name. `examples` are the examples by operation id.
    """

    tags: Mapping[str, str]
    path_parameters: Mapping[str, str]
    values: Mapping[str, Any]
    examples: Mapping[str, Example]
