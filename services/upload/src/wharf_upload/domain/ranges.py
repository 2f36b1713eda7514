"""The Range field (RFC 9110 section 14.2), for files that the gateway does not read from a disk."""

from __future__ import annotations

import re

# One range of bytes; what is none, or more than one, is answered with the whole file. More digits
# than that are no file's.
_ONE = re.compile(
    r"bytes=[ \t]*(?:(?P<first>[0-9]{1,18})-(?P<last>[0-9]{0,18})|-(?P<suffix>[0-9]{1,18}))[ \t]*",
    re.IGNORECASE,
)


class NoSuchRange(ValueError):
    """The file ends before the range begins."""


def one_range(field: str, size: int) -> str:
    """Return the range of a file of `size` bytes as `bytes=first-last`, cut at the file's end.

    Empty: the whole file is to be sent, for the field is malformed or names several ranges, both of
    which a server may ignore. Raises `NoSuchRange`.
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
