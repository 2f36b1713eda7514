"""Names of tenants and clients."""

from __future__ import annotations

import re
import unicodedata

from servicekit.name_characters import NEEDED_SOMEWHERE, display_name, first_misplaced
from servicekit.problems import UNPROCESSABLE

TENANT_PATTERN = "[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"
_TENANT = re.compile(TENANT_PATTERN)
MAX_LABEL_CHARACTERS = 200
# NFC shortens text; sorting a run of marks costs the square of its length.
_MAX_SENT_CHARACTERS = 4 * MAX_LABEL_CHARACTERS
_LENGTH = f"The {{what}} has 1 to {MAX_LABEL_CHARACTERS} characters."
# Control characters, and the format characters that hide or reorder text.
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def tenant_name(name: str) -> str:
    """The name itself; raises the problem `unprocessable` when it breaks the rule."""
    if not _TENANT.fullmatch(name):
        raise UNPROCESSABLE(
            "A tenant's name has 3 to 63 characters of a-z, 0-9 and the hyphen, "
            "and neither begins nor ends with a hyphen."
        )
    return name


def label(text: str, what: str) -> str:
    """A name for people, NFC without outer spaces; raises `unprocessable`."""
    if len(text) > _MAX_SENT_CHARACTERS:
        raise UNPROCESSABLE(_LENGTH.format(what=what))
    text = display_name(text).strip()
    if not text or len(text) > MAX_LABEL_CHARACTERS:
        raise UNPROCESSABLE(_LENGTH.format(what=what))
    misplaced = first_misplaced(text)
    if misplaced is not None:
        raise UNPROCESSABLE(f"The {what} holds {misplaced}; send it without.")
    if any(_is_unseen(character) for character in text):
        raise UNPROCESSABLE(f"The {what} holds control or invisible characters.")
    return text


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) in _UNSEEN and not NEEDED_SOMEWHERE.match(character)
