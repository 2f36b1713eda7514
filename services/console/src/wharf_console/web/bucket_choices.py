"""The buckets of the tenant, as the choices of a form."""

from __future__ import annotations

from wharf_console.api import buckets
from wharf_console.web.current import api

# More are for the lists of buckets, whose links name one.
_MOST = 1000


def bucket_choices(chosen: str | None) -> dict[str, str]:
    """Return the buckets' names as values and labels; the one that was chosen is among them."""
    found = [bucket.name for bucket in buckets.listed(api(), limit=_MOST).buckets]
    return {name: name for name in ([chosen] if chosen else []) + found}
