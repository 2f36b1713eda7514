"""The buckets of the tenant, as the choices of a form."""

from __future__ import annotations

from servicekit.grants import Action
from wharf_console.api import buckets
from wharf_console.api.problems import ApiProblem, ApiUnavailable
from wharf_console.web import reaching
from wharf_console.web.current import api

# For further buckets a person uses the links in the list of buckets.
_MOST = 1000
_SUGGESTED = 100


def bucket_choices(chosen: str | None, action: Action) -> dict[str, str]:
    """Return the names of the buckets in which the person may do this action, as choices.

    The chosen bucket is always among them.
    """
    listed = buckets.names(api(), at_most=_MOST)
    found = [name for name in listed if reaching.may_somewhere(action, name)]
    return {name: name for name in ([chosen] if chosen else []) + found}


def bucket_names() -> list[str]:
    """Return the names of buckets to suggest in a field; an empty list if the API refuses."""
    try:
        return buckets.names(api(), at_most=_SUGGESTED)
    except (ApiProblem, ApiUnavailable):
        return []
