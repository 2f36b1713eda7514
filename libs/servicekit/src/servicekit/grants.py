"""Grants: the buckets, keys and actions that a person or client may use.

Auth stores grants and writes them into tokens; every service checks them. A grant names a bucket
(`*` is every bucket), a prefix of keys that is compared as text, and actions. An action also needs
its scope. A person or client without a list of grants reaches everything that its scopes allow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, NamedTuple, get_args

import msgspec

from servicekit import keys, name_characters

Action = Literal["read", "write", "delete", "list"]
ACTIONS: tuple[Action, ...] = get_args(Action)
#: The name of the bucket in a grant for every bucket.
EVERY_BUCKET = "*"
MAX_GRANTS = 100
#: The most bytes of a stored list (`Compact`) in JSON.
MAX_LIST_BYTES = 16 * 1024
USER_ID, USERNAME, CLIENT = "{user_id}", "{username}", "{client}"
_PLACEHOLDERS = (USER_ID, USERNAME, CLIENT)
_BRACES = re.compile(r"\{[^{}]*\}|[{}]")
_MISPLACED = frozenset("{}/")
#: The letter of each action, in the order of a compact grant.
LETTERS: dict[Action, str] = {"read": "r", "write": "w", "delete": "d", "list": "l"}
_ACTIONS = {letter: action for action, letter in LETTERS.items()}


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A permission for the keys of a bucket that begin with a prefix.

    The prefix "" means the whole bucket.
    """

    bucket: Annotated[str, msgspec.Meta(description="The name of a bucket; `*` is every bucket.")]
    actions: Annotated[
        tuple[Action, ...],
        msgspec.Meta(description="The allowed actions; each also needs its scope."),
    ]
    prefix: Annotated[
        str,
        msgspec.Meta(
            description="The text that keys begin with. `{user_id}`, `{username}` and `{client}` "
            "are filled in when a token is issued."
        ),
    ] = ""


class CompactGrant(NamedTuple):
    """A grant in the form of tokens, the feed and the database; `letters` are some of `rwdl`."""

    bucket: str
    prefix: str
    letters: str


Compact = tuple[CompactGrant, ...]
#: The list that means the same as `null`: everything that the scopes allow.
EVERYTHING_COMPACT: Compact = (CompactGrant(EVERY_BUCKET, "", "rwdl"),)


def as_list(grants: Compact | None) -> Compact:
    """Return the list of grants; for `None`, the list that permits everything."""
    return EVERYTHING_COMPACT if grants is None else grants


class GrantError(ValueError):
    """A grant is not valid. The message names the index of the entry and the reason."""

    def __init__(self, index: int | None, reason: str) -> None:
        """Create the error; `index` is the entry's index, or `None` for the whole list."""
        super().__init__(reason if index is None else f"grants[{index}]: {reason}")
        self.index = index


class Holder(NamedTuple):
    """The values of placeholders for the user or client that has the grants."""

    user_id: str = ""
    username: str = ""
    client: str = ""


def checked(grants: Sequence[Grant]) -> Compact:
    """Check grants and return their stored form; raise `GrantError`.

    Placeholders stay in the prefixes; `require_fillable` checks their values.
    """
    if len(grants) > MAX_GRANTS:
        raise GrantError(None, f"There are {len(grants)} grants; at most {MAX_GRANTS} are allowed.")
    kept = tuple(_checked(index, grant) for index, grant in enumerate(grants))
    if len(msgspec.json.encode(kept)) > MAX_LIST_BYTES:
        raise GrantError(
            None,
            f"The grants are longer than {MAX_LIST_BYTES} bytes; send fewer or shorter grants.",
        )
    return kept


def _checked(index: int, grant: Grant) -> CompactGrant:
    try:
        if grant.bucket != EVERY_BUCKET:
            keys.bucket_name(grant.bucket)
        _check_prefix(index, grant.prefix)
    except keys.InvalidName as error:
        raise GrantError(index, str(error)) from None
    letters = "".join(letter for action, letter in LETTERS.items() if action in grant.actions)
    if not letters:
        raise GrantError(index, f"It allows no action; the actions are {', '.join(ACTIONS)}.")
    return CompactGrant(grant.bucket, grant.prefix, letters)


def _check_prefix(index: int, prefix: str) -> None:
    for brace in _BRACES.findall(prefix):
        if brace not in _PLACEHOLDERS:
            raise GrantError(
                index,
                f"'{name_characters.shown(brace)}' is no placeholder; the placeholders are "
                f"{', '.join(_PLACEHOLDERS)}.",
            )
    # A user name may begin with another user name, so a slash has to follow. Ids have one length.
    if USERNAME in prefix and not all(rest.startswith("/") for rest in prefix.split(USERNAME)[1:]):
        raise GrantError(index, f"{USERNAME} must be followed by a slash.")
    if keys.prefix(prefix) != prefix:
        raise GrantError(index, "The prefix is not in Unicode NFC; normalize it.")


def require_fillable(grants: Iterable[CompactGrant], holder: Holder, *, is_own: bool) -> None:
    """Raise `GrantError` if a placeholder cannot be filled in for the holder.

    `is_own`: the grants are the holder's own. In the grants of a group a placeholder without a
    value is no error: a grant for people gives nothing to a client in the group.
    """
    for index, grant in enumerate(grants):
        filled_prefix = filled_in(grant.prefix, holder)
        if filled_prefix is None:
            if is_own:
                raise GrantError(index, _missing(grant.prefix, holder))
            continue
        try:
            normal = keys.prefix(filled_prefix)
        except keys.InvalidName as error:
            raise GrantError(index, str(error)) from None
        if normal != filled_prefix:
            raise GrantError(
                index, "The prefix with its placeholders filled in is not in Unicode NFC."
            )


def _missing(prefix: str, holder: Holder) -> str:
    """Return the message for a placeholder that has no value for the holder."""
    for placeholder in (USER_ID, USERNAME) if holder.client else (CLIENT,):
        if placeholder in prefix:
            return f"A {'client' if holder.client else 'person'} has no {placeholder}."
    return f"The user name has a brace or a slash, so a prefix cannot use {USERNAME}."


def filled_in(prefix: str, holder: Holder) -> str | None:
    """Return a prefix with its placeholders filled in once; `None` if a value is not usable."""
    if "{" not in prefix:
        return prefix
    values = {USER_ID: holder.user_id, USERNAME: holder.username, CLIENT: holder.client}
    for placeholder, value in values.items():
        # A name with braces, which an earlier release allowed, could look like a placeholder. A
        # name with a slash could name the folder of another user.
        if placeholder in prefix and (not value or not _MISPLACED.isdisjoint(value)):
            return None
    return _BRACES.sub(lambda found: values.get(found[0], found[0]), prefix)


def filled(grants: Iterable[CompactGrant], holder: Holder) -> Compact:
    """Return grants with placeholders filled in, but none that lacks a value or gets too long."""
    found = ((grant, filled_in(grant.prefix, holder)) for grant in grants)
    return tuple(
        CompactGrant(grant.bucket, prefix, grant.letters)
        for grant, prefix in found
        if prefix is not None and len(prefix.encode()) <= keys.MAX_KEY_BYTES
    )


def shown(grants: Iterable[CompactGrant]) -> list[Grant]:
    """Convert compact grants to the form of requests and responses."""
    return [
        Grant(grant.bucket, tuple(_ACTIONS[letter] for letter in grant.letters), grant.prefix)
        for grant in grants
    ]


def parse(text: str) -> Grant:
    """Parse a grant of the form `actions:bucket/prefix`; raise `ValueError`.

    The command line uses this form. Examples are `read,write:photos/inbox/` and `read:*`.
    """
    actions, colon, place = text.partition(":")
    bucket, _, prefix = place.partition("/")
    if not colon or not bucket:
        raise ValueError(
            f"'{name_characters.shown(text)}' is no grant; an example is read,write:photos/inbox/."
        )
    named = [action.strip() for action in actions.split(",")]
    for action in named:
        if action not in ACTIONS:
            raise ValueError(
                f"There is no action '{name_characters.shown(action)}'; the actions are "
                f"{', '.join(ACTIONS)}."
            )
    return Grant(bucket, tuple(action for action in ACTIONS if action in named), prefix)


def written(grant: Grant) -> str:
    """Return a grant in the form that `parse` reads."""
    place = f"/{grant.prefix}" if grant.prefix else ""
    return f"{','.join(grant.actions)}:{grant.bucket}{place}"
