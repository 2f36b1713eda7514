"""The Range field (RFC 9110 section 14.2), for files that are not on the gateway's disk."""

from __future__ import annotations

import re

# One range of bytes. For a field with several ranges or any other form, the response has the whole
# file. A file's size has at most 18 digits.
_ONE = re.compile(
    r"bytes=[ \t]*(?:(?P<first>[0-9]{1,18})-(?P<last>[0-9]{0,18})|-(?P<suffix>[0-9]{1,18}))[ \t]*",
    re.IGNORECASE,
)


class NoSuchRange(ValueError):
    """The file ends before the range begins."""


def one_range(field: str, size: int) -> str:
    """Return the range in a file of `size` bytes as `bytes=first-last`, cut at the file's end.

    Return an empty text, which means the whole file, if the field is malformed or has several
    ranges: RFC 9110 lets a server ignore such fields. Raises `NoSuchRange`.
    """
    wanted = _ONE.fullmatch(field)
    if wanted is None:
        return ""
    if wanted["suffix"]:
        first, last = max(0, size - int(wanted["suffix"])), size - 1
    else:
        first = int(wanted["first"])
        last = int(wanted["last"]) if wanted["last"] else size
        if last < first and wanted["last"]:
            return ""
        last = min(last, size - 1)
    if first >= size:
        raise NoSuchRange(field)
    return f"bytes={first}-{last}"
