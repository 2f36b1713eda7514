"""`Prefer` (RFC 7240): how much about a stored file the response contains."""

from __future__ import annotations

from typing import Literal

from wharf_upload.http.request import Request

Returned = Literal["minimal", "representation"]
_RETURNED: dict[str, Returned] = {
    "return=minimal": "minimal",
    "return=representation": "representation",
}


def returned(request: Request) -> Returned | None:
    """Return the value of `return=`, the first of several; `None` without a preference."""
    field = request.header("PREFER")
    if field is None:
        return None
    for preference in field.split(","):
        name = preference.partition(";")[0].replace(" ", "").replace('"', "").lower()
        if name in _RETURNED:
            return _RETURNED[name]
    return None


def applied(value: Returned) -> tuple[str, str]:
    """Return the header field that names the applied preference."""
    return ("Preference-Applied", f"return={value}")
