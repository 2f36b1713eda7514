"""The widths of the small pictures of a file: `?w=64|256|1024`."""

from __future__ import annotations

import re

#: Pixels of the longer side. Only these widths exist, so that clients cannot request any number of
#: pictures.
WIDTHS = (64, 256, 1024)
_WIDTH_OF = {str(width): width for width in WIDTHS}
# The first `w` as the client sent it. The file `deploy/nginx/conf.d/sharing.conf.template` has an
# equal expression.
_FIRST = re.compile(r"(?:^|&)w(?:=([^&]*))?(?:&|\Z)")


class NoSuchWidth(ValueError):
    """`w` is not one of the supported widths."""


def width_of(query: str | None) -> int | None:
    """Return the width in a query, or `None` for the file itself; raises `NoSuchWidth`."""
    first = _FIRST.search(query) if query and "w" in query else None
    if first is None:
        return None
    try:
        return _WIDTH_OF[first[1]]
    except KeyError:
        raise NoSuchWidth("w is a width in pixels: 64, 256 or 1024.") from None
