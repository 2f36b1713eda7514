"""People of a tenant: their names, and what their roles allow."""

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
    OWNER: (*_EDITING, "buckets:admin", "events:read", scopes.MEMBERS_SCOPE),
}
# An e-mail address has 254 at most (RFC 5321 section 4.5.3.1.3).
MAX_USERNAME_CHARACTERS = 254
# Without the slash and braces: a name may stand in a grant's prefix, as one segment of a key.
_PUNCTUATION = frozenset("._-+@'!#$%&*=?^`|~")


def scopes_of(role: str) -> tuple[str, ...]:
    """What a person of this role may do; nothing, where only a newer release knows the role."""
    return ROLES.get(role, ())


def username(name: str) -> str:
    """The login name in NFC; raises the problem `unprocessable` when it breaks the rule.

    Letters, marks and digits of any script and the punctuation of e-mail addresses: nothing that is
    invisible, no spaces, no slashes and no braces.
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
    """The name as it is compared: without case, width and ligatures (Unicode's NFKC_Casefold).

    Any text can be folded, so that a login with a name that nobody may have is like any other.
    """
    for _ in range(2):  # folding may make sequences that compose, and composing others that fold
        name = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return name


def account_of(tenant: str, name: str) -> str:
    """Under what name the logins of an account are counted, whether it is there or not."""
    return f"{tenant}\0{folded(name)}"


def role(name: str) -> str:
    """The role itself; raises the problem `unprocessable` when there is none of this name."""
    if name not in ROLES:
        raise UNPROCESSABLE(f"There is no such role; there are {', '.join(ROLES)}.")
    return name
