"""The rules for names of tenants and for display names."""

from __future__ import annotations

import re
import unicodedata

from servicekit.name_characters import NEEDED_SOMEWHERE, display_name, first_misplaced
from servicekit.problems import UNPROCESSABLE

TENANT_PATTERN = "[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"
_TENANT = re.compile(TENANT_PATTERN)
MAX_LABEL_CHARACTERS = 200
# A longer text is refused before NFC: NFC sorts marks in quadratic time. NFC can shorten a text.
_MAX_SENT_CHARACTERS = 4 * MAX_LABEL_CHARACTERS
_LENGTH = f"The {{what}} has 1 to {MAX_LABEL_CHARACTERS} characters."
# The categories of characters that a reader cannot see or recognize: control and format characters,
# surrogates, private and unassigned characters, and separators of lines and paragraphs.
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def tenant_name(name: str) -> str:
    """Return the name unchanged; raise the problem `unprocessable` if it breaks the rules."""
    if not _TENANT.fullmatch(name):
        raise UNPROCESSABLE(
            "A tenant's name has 3 to 63 characters of a-z, 0-9 and the hyphen, "
            "and neither begins nor ends with a hyphen."
        )
    return name


def label(text: str, what: str) -> str:
    """Return a display name in NFC, without spaces around it.

    Raise the problem `unprocessable`, whose text calls the name `what`, if it breaks the rules.
    """
    if len(text) > _MAX_SENT_CHARACTERS:
        raise UNPROCESSABLE(_LENGTH.format(what=what))
    text = display_name(text).strip()
    if not text or len(text) > MAX_LABEL_CHARACTERS:
        raise UNPROCESSABLE(_LENGTH.format(what=what))
    misplaced = first_misplaced(text)
    if misplaced is not None:
        raise UNPROCESSABLE(f"The {what} contains {misplaced}; remove it.")
    if any(_is_unseen(character) for character in text):
        raise UNPROCESSABLE(f"The {what} contains control or invisible characters.")
    return text


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) in _UNSEEN and not NEEDED_SOMEWHERE.match(character)
