"""Names of tenants and clients."""

from __future__ import annotations

import re
import unicodedata

from servicekit.problems import UNPROCESSABLE

TENANT_PATTERN = "[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"
_TENANT = re.compile(TENANT_PATTERN)
MAX_LABEL_CHARACTERS = 200
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
    text = unicodedata.normalize("NFC", text).strip()
    if not text or len(text) > MAX_LABEL_CHARACTERS:
        raise UNPROCESSABLE(f"The {what} has 1 to {MAX_LABEL_CHARACTERS} characters.")
    if any(unicodedata.category(character) in _UNSEEN for character in text):
        raise UNPROCESSABLE(f"The {what} holds control or invisible characters.")
    return text
