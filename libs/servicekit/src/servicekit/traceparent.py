"""`traceparent` as W3C Trace Context (section 3.2) has it."""

from __future__ import annotations

import re
from typing import NamedTuple

# A later version may add fields behind the flags; version 00 may not, and ff is none.
_FIELD = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-"
    r"(?P<parent>(?!0{16})[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?\Z",
    re.ASCII | re.DOTALL,
)
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}\Z")


class TraceParent(NamedTuple):
    """Whose work a request is a part of. Ids are lower-case hex; `sampled`: the caller records."""

    trace_id: str
    parent_id: str
    sampled: bool


def parse(field: str | None) -> TraceParent | None:
    """The field's value, or `None` for one that is absent or not well-formed: then it is ignored.

    A field that came twice is joined by a comma on its way here, and is not well-formed either.
    """
    found = _FIELD.match(field or "")
    if found is None or (found["version"] == "00" and found["more"] is not None):
        return None
    return TraceParent(found["trace"], found["parent"], bool(int(found["flags"], 16) & 1))


def is_trace_id(text: str) -> bool:
    """Whether it is 32 hex digits, not all of them 0."""
    return _TRACE_ID.match(text) is not None
