"""The buckets of the tenant, as the choices of a form."""

from __future__ import annotations

from servicekit.grants import Action
from wharf_console.api import buckets
from wharf_console.api.problems import ApiProblem, ApiUnavailable
from wharf_console.web import reaching
from wharf_console.web.current import api

# More are for the lists of buckets, whose links name one.
_MOST = 1000
_SUGGESTED = 100


def bucket_choices(chosen: str | None, action: Action) -> dict[str, str]:
    """Return the buckets' names as values and labels: those in which the person may do this.

    The one that was chosen is among them.
    """
    listed = buckets.names(api(), at_most=_MOST)
    found = [name for name in listed if reaching.may_somewhere(action, name)]
    return {name: name for name in ([chosen] if chosen else []) + found}


def bucket_names() -> list[str]:
    """Return the buckets' names, for a field to suggest; none where the API does not say them."""
    try:
        return buckets.names(api(), at_most=_SUGGESTED)
    except (ApiProblem, ApiUnavailable):
        return []
