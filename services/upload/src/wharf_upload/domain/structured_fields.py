"""Structured fields (RFC 9651): parts of their grammar, and items with one value.

All quantifiers are possessive, so that a hostile field costs one pass.
"""

from __future__ import annotations

import re

KEY = r"([a-z*][a-z0-9_.*-]*+)"
_BARE_ITEM = (
    r'(?:"(?:[ !#-\[\]-~]|\\["\\])*+"|:[A-Za-z0-9+/=]*+:|[A-Za-z0-9*?+.-][!#-+.-:A-Z^-z|~-]*+)'
)
PARAMETERS = rf"(?:; *+[a-z*][a-z0-9_.*-]*+(?:={_BARE_ITEM})?)*+"
"""The grammar permits parameters; the service ignores them."""
_BOOLEAN = re.compile(rf" *+\?([01]){PARAMETERS} *+\Z")
_INTEGER = re.compile(rf" *+(-?[0-9]{{1,15}}){PARAMETERS} *+\Z")


def boolean(field: str) -> bool | None:
    """Return the value of a boolean item; `None` if the field is no boolean."""
    found = _BOOLEAN.match(field)
    return None if found is None else found[1] == "1"


def integer(field: str) -> int | None:
    """Return the value of an integer item; `None` if the field is no integer."""
    found = _INTEGER.match(field)
    return None if found is None else int(found[1])
