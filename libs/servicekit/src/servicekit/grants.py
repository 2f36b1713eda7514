"""Grants: which keys of which buckets a person or a client reaches, and with which actions.

`auth` keeps grants and writes them into tokens; every service judges by them. A grant names a
bucket (`*` is every bucket), a prefix that is compared as text, and actions. An action needs its
scope as well. A person or client without a list reaches everything that its scopes allow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, NamedTuple, get_args

import msgspec

from servicekit import keys, name_characters

Action = Literal["read", "write", "delete", "list"]
ACTIONS: tuple[Action, ...] = get_args(Action)
#: The bucket of a grant for every bucket.
EVERY_BUCKET = "*"
MAX_GRANTS = 100
#: Of a list as it is kept (`compact`), in JSON.
MAX_LIST_BYTES = 16 * 1024
USER_ID, USERNAME, CLIENT = "{user_id}", "{username}", "{client}"
_PLACEHOLDERS = (USER_ID, USERNAME, CLIENT)
_BRACES = re.compile(r"\{[^{}]*\}|[{}]")
_MISPLACED = frozenset("{}/")
#: Actions in one letter, in the order that a compact grant has.
LETTERS: dict[Action, str] = {"read": "r", "write": "w", "delete": "d", "list": "l"}
_ACTIONS = {letter: action for action, letter in LETTERS.items()}


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One place that is reached. The prefix "" is the whole bucket."""

    bucket: Annotated[str, msgspec.Meta(description="A bucket's name; `*` is every bucket.")]
    actions: Annotated[
        tuple[Action, ...], msgspec.Meta(description="What is allowed; each needs its scope too.")
    ]
    prefix: Annotated[
        str,
        msgspec.Meta(
            description="How keys begin, as text. `{user_id}`, `{username}` and `{client}` are "
            "filled in when a token is issued."
        ),
    ] = ""


class CompactGrant(NamedTuple):
    """A grant as tokens, the feed and the database have it; `letters` are of `rwdl`."""

    bucket: str
    prefix: str
    letters: str


Compact = tuple[CompactGrant, ...]
#: What `null` means: everything that the scopes allow.
EVERYTHING_COMPACT: Compact = (CompactGrant(EVERY_BUCKET, "", "rwdl"),)


def as_list(grants: Compact | None) -> Compact:
    """Return a list of grants: for `null` the list that allows everything."""
    return EVERYTHING_COMPACT if grants is None else grants


class GrantError(ValueError):
    """A grant that is not acceptable. The message names the entry, from 0, and the reason."""

    def __init__(self, index: int | None, reason: str) -> None:
        """`index` is the entry's place in the list; `None`: it is about the whole list."""
        super().__init__(reason if index is None else f"grants[{index}]: {reason}")
        self.index = index


class Holder(NamedTuple):
    """The values of placeholders for a holder of grants: a user's, or a client's."""

    user_id: str = ""
    username: str = ""
    client: str = ""


def checked(grants: Sequence[Grant]) -> Compact:
    """Return grants as they are kept; raises `GrantError`.

    Placeholders stay. What they are filled with is judged by `require_fillable`.
    """
    if len(grants) > MAX_GRANTS:
        raise GrantError(None, f"There are {len(grants)} grants; at most {MAX_GRANTS} are taken.")
    kept = tuple(_checked(index, grant) for index, grant in enumerate(grants))
    if len(msgspec.json.encode(kept)) > MAX_LIST_BYTES:
        raise GrantError(
            None, f"The grants are longer than {MAX_LIST_BYTES} bytes; name fewer or shorter ones."
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
        raise GrantError(index, f"It allows no action; there are {', '.join(ACTIONS)}.")
    return CompactGrant(grant.bucket, grant.prefix, letters)


def _check_prefix(index: int, prefix: str) -> None:
    for brace in _BRACES.findall(prefix):
        if brace not in _PLACEHOLDERS:
            raise GrantError(
                index,
                f"'{name_characters.shown(brace)}' is no placeholder; there are "
                f"{', '.join(_PLACEHOLDERS)}.",
            )
    # One name may begin with another one; ids are all of one length.
    if USERNAME in prefix and not all(rest.startswith("/") for rest in prefix.split(USERNAME)[1:]):
        raise GrantError(index, f"Behind {USERNAME} there has to be a slash.")
    if keys.prefix(prefix) != prefix:
        raise GrantError(index, "The prefix is not in Unicode NFC; send it normalised.")


def require_fillable(grants: Iterable[CompactGrant], holder: Holder, *, is_own: bool) -> None:
    """Raise `GrantError` where a placeholder cannot be filled in for the holder.

    `is_own`: they are not of a group, where a grant for people gives a client nothing.
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
            raise GrantError(index, "Filled in, the prefix is not in Unicode NFC.")


def _missing(prefix: str, holder: Holder) -> str:
    """The sentence about a placeholder that stands for nothing."""
    for placeholder in (USER_ID, USERNAME) if holder.client else (CLIENT,):
        if placeholder in prefix:
            return f"A {'client' if holder.client else 'person'} has no {placeholder}."
    return f"The user name has a brace or a slash, so that {USERNAME} cannot stand for it."


def filled_in(prefix: str, holder: Holder) -> str | None:
    """Return a prefix with its placeholders filled in once; `None` where one stands for nothing."""
    if "{" not in prefix:
        return prefix
    values = {USER_ID: holder.user_id, USERNAME: holder.username, CLIENT: holder.client}
    for placeholder, value in values.items():
        # A name with braces (an older release took it) could look like a placeholder, and one with
        # a slash would lie in the folder of another one.
        if placeholder in prefix and (not value or not _MISPLACED.isdisjoint(value)):
            return None
    return _BRACES.sub(lambda found: values.get(found[0], found[0]), prefix)


def filled(grants: Iterable[CompactGrant], holder: Holder) -> Compact:
    """Return grants for their holder; those that cannot be filled in allow nothing."""
    found = ((grant, filled_in(grant.prefix, holder)) for grant in grants)
    return tuple(
        CompactGrant(grant.bucket, prefix, grant.letters)
        for grant, prefix in found
        if prefix is not None and len(prefix.encode()) <= keys.MAX_KEY_BYTES
    )


def shown(grants: Iterable[CompactGrant]) -> list[Grant]:
    """Return grants as people and programs see them."""
    return [
        Grant(grant.bucket, tuple(_ACTIONS[letter] for letter in grant.letters), grant.prefix)
        for grant in grants
    ]


def parse(text: str) -> Grant:
    """Return the grant of `actions:bucket/prefix`, as at the command line; raises `ValueError`.

    `read,write:photos/inbox/` and `read:*` are two.
    """
    actions, colon, place = text.partition(":")
    bucket, _, prefix = place.partition("/")
    if not colon or not bucket:
        raise ValueError(
            f"'{name_characters.shown(text)}' is no grant; write one like read,write:photos/inbox/."
        )
    named = [action.strip() for action in actions.split(",")]
    for action in named:
        if action not in ACTIONS:
            raise ValueError(
                f"There is no action '{name_characters.shown(action)}'; there are "
                f"{', '.join(ACTIONS)}."
            )
    return Grant(bucket, tuple(action for action in ACTIONS if action in named), prefix)


def written(grant: Grant) -> str:
    """Return a grant as `parse` reads it."""
    place = f"/{grant.prefix}" if grant.prefix else ""
    return f"{','.join(grant.actions)}:{grant.bucket}{place}"
