"""The rules for the names and roles of a tenant's people."""

from __future__ import annotations

import unicodedata

from servicekit.problems import UNPROCESSABLE
from wharf_auth.domain import scopes

VIEWER, EDITOR, OWNER = "viewer", "editor", "owner"
_VIEWING = ("files:read",)
_EDITING = (*_VIEWING, "files:write", "files:delete")
ROLES: dict[str, tuple[str, ...]] = {
    VIEWER: _VIEWING,
    EDITOR: _EDITING,
    OWNER: (
        *_EDITING,
        "buckets:admin",
        "events:read",
        "webhooks:admin",
        scopes.MEMBERS_SCOPE,
    ),
}
# An e-mail address has at most 254 characters (RFC 5321 section 4.5.3.1.3).
MAX_USERNAME_CHARACTERS = 254
# No slash and no braces: the prefix of a grant may contain the name, as one segment of a key.
_PUNCTUATION = frozenset("._-+@'!#$%&*=?^`|~")


def scopes_of(role: str) -> tuple[str, ...]:
    """Return the scopes of a role; none for a role that only a newer release knows."""
    return ROLES.get(role, ())


def username(name: str) -> str:
    """Return the user name in NFC; raise the problem `unprocessable` if it breaks the rules.

    A user name has letters, marks and digits of any script, and the punctuation of e-mail
    addresses. A user name has no invisible characters, spaces, slashes or braces.
    """
    name = unicodedata.normalize("NFC", name)
    if not 1 <= len(name) <= MAX_USERNAME_CHARACTERS or not all(map(_may_stand, name)):
        raise UNPROCESSABLE(
            f"A user name has 1 to {MAX_USERNAME_CHARACTERS} letters, digits and characters of "
            f"{''.join(sorted(_PUNCTUATION))}, and no spaces, slashes or braces: a plain name or "
            "an e-mail address."
        )
    if not any(map(str.isalnum, name)):
        raise UNPROCESSABLE("A user name has at least one letter or digit.")
    return name


def _may_stand(character: str) -> bool:
    return character in _PUNCTUATION or unicodedata.category(character)[0] in "LMN"


def folded(name: str) -> str:
    """Return the name for comparisons, without differences of case, width and ligatures.

    The form is NFKC_Casefold. Every text can be folded, so a login with an invalid name is refused
    like a login with an unknown name.
    """
    # The fold can create sequences that compose, and the composition can create characters that
    # fold.
    for _ in range(2):
        name = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return name


def account_of(tenant: str, name: str) -> str:
    """Return the name of a person's account in the lane of secrets; the account need not exist."""
    return f"{tenant}\0{folded(name)}"


def role(name: str) -> str:
    """Return the role unchanged; raise the problem `unprocessable` if it does not exist."""
    if name not in ROLES:
        raise UNPROCESSABLE(f"There is no such role; the roles are {', '.join(ROLES)}.")
    return name
