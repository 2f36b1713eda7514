"""`Prefer` (RFC 7240): how much of a stored file the client wants to be told."""

from __future__ import annotations

from typing import Literal

from wharf_upload.http.request import Request

Returned = Literal["minimal", "representation"]
_RETURNED: dict[str, Returned] = {
    "return=minimal": "minimal",
    "return=representation": "representation",
}


def returned(request: Request) -> Returned | None:
    """Return what `return=` asks for; of two the first counts, and `None` is no preference."""
    field = request.header("PREFER")
    if field is None:
        return None
    for preference in field.split(","):
        name = preference.partition(";")[0].replace(" ", "").replace('"', "").lower()
        if name in _RETURNED:
            return _RETURNED[name]
    return None


def applied(value: Returned) -> tuple[str, str]:
    """Return the header field that tells which preference was followed."""
    return ("Preference-Applied", f"return={value}")
