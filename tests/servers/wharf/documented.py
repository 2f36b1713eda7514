"""Comparison of responses with the OpenAPI documents."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from tests.servers.wharf.api_client import ApiClient

Operations = dict[tuple[str, str], dict[str, Any]]
DOCUMENTS = ("/openapi.json", "/auth/openapi.json")
# A method that an address does not have is refused. Earlier checks may refuse the credential, two
# credentials, or a missing object.
_REFUSED_METHOD = frozenset((400, 401, 404, 405))
# OPTIONS asks about an address and is no operation.
_OPTIONS = frozenset((200, 204))


def operations(api: ApiClient) -> Operations:
    """Return the operations of both documents by method and path."""
    found = {}
    for address in DOCUMENTS:
        document = api.get(address).json()
        for path, methods in document["paths"].items():
            for method, declared in methods.items():
                found[method.upper(), path] = declared
    return found


def missing(declared: Operations, seen: Iterable[tuple[str, str, int]]) -> list[str]:
    """Return the responses at documented addresses whose status no declared operation mentions."""
    patterns = [(_pattern(path), path) for path in sorted({path for _, path in declared})]
    found = set()
    for method, target, status in seen:
        path = next((path for pattern, path in patterns if pattern.fullmatch(target)), None)
        if path is None or (method, status) == ("OPTIONS", 204):
            # A browser sends a preflight, which is no operation.
            continue
        # HEAD responds as GET does (RFC 9110 section 9.3.2).
        names = (method, "GET") if method == "HEAD" else (method,)
        operation = next((declared[name, path] for name in names if (name, path) in declared), None)
        if operation is None:
            if status not in _REFUSED_METHOD and (method != "OPTIONS" or status not in _OPTIONS):
                found.add(f"{method} {path}: {status}, though there is no such operation")
        elif str(status) not in operation["responses"]:
            found.add(f"{method} {path}: {status}")
    return sorted(found)


def _pattern(path: str) -> re.Pattern[str]:
    """Return a pattern for an address of the document. A key may contain slashes,
    other names may not.
    """
    parts = re.split(r"(\{[^}]+\})", path)
    shapes = {"{key}": ".+"}
    return re.compile(
        "".join(
            shapes.get(part, "[^/]+") if part.startswith("{") else re.escape(part) for part in parts
        )
    )
