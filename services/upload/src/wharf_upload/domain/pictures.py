"""Which small pictures of a file there are: `?w=64|256|1024`."""

from __future__ import annotations

import re

#: Pixels of the longer side. There are no others: nobody can have pictures made without end.
WIDTHS = (64, 256, 1024)
_WIDTH_OF = {str(width): width for width in WIDTHS}
# The first `w`, as it was sent: `deploy/nginx/conf.d/sharing.conf.template` reads it the same way.
_FIRST = re.compile(r"(?:^|&)w(?:=([^&]*))?(?:&|\Z)")


class NoSuchWidth(ValueError):
    """`w` is none of the widths that there are."""


def width_of(query: str | None) -> int | None:
    """Return the width that a query asks for, `None` for the file itself; raises `NoSuchWidth`."""
    first = _FIRST.search(query) if query and "w" in query else None
    if first is None:
        return None
    try:
        return _WIDTH_OF[first[1]]
    except KeyError:
        raise NoSuchWidth("w is a width in pixels: 64, 256 or 1024.") from None
