"""The header field `traceparent` of W3C Trace Context (section 3.2)."""

from __future__ import annotations

import re
from typing import NamedTuple

# A later version may add fields after the flags. Version 00 may not, and version ff is invalid.
_FIELD = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-"
    r"(?P<parent>(?!0{16})[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?\Z",
    re.ASCII | re.DOTALL,
)
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}\Z")


class TraceParent(NamedTuple):
    """The trace and the parent span of a request; the ids are lower-case hexadecimal digits.

    `sampled` tells whether the caller records the trace.
    """

    trace_id: str
    parent_id: str
    sampled: bool


def parse(field: str | None) -> TraceParent | None:
    """Parse the field; return `None` if it is absent or malformed, so that the caller ignores it.

    If a request repeats the field, its values arrive joined by a comma, and the result is
    malformed.
    """
    found = _FIELD.match(field or "")
    if found is None or (found["version"] == "00" and found["more"] is not None):
        return None
    return TraceParent(found["trace"], found["parent"], bool(int(found["flags"], 16) & 1))


def is_trace_id(text: str) -> bool:
    """Tell whether the text is 32 hexadecimal digits that are not all 0."""
    return _TRACE_ID.match(text) is not None
