"""What an OpenAPI document tells its readers beyond the declared operations: tags and examples.

Only the document needs these values, so a service imports them when the document is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Example:
    """What one operation takes and gives. Bodies are JSON, or what msgspec encodes as JSON.

    `body` is the body of the request, `bodies` several of them by name. `answers` holds bodies of
    answers by status. `values` are of parameters and of answers' header fields by name; they take
    the place of those in the guide.
    """

    body: Any = None
    bodies: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[int, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


NO_EXAMPLE = Example()


@dataclass(frozen=True)
class Guide:
    """The tags with their descriptions, and the examples of one document.

    `path_parameters` describes the parameters of paths by name. `values` holds an example by name
    for parameters and header fields, `examples` the bodies by operation id.
    """

    tags: Mapping[str, str]
    path_parameters: Mapping[str, str]
    values: Mapping[str, Any]
    examples: Mapping[str, Example]
