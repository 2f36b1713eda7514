"""What the person may do at a place, by scopes and grants: pages offer nothing else.

The API decides in any case. Templates have this module as `reaching`.
"""

from __future__ import annotations

from collections.abc import Iterable

from flask import g
from werkzeug.exceptions import Forbidden

from servicekit.grants import ACTIONS, EVERY_BUCKET, Action, Grant
from servicekit.reach import Reach
from wharf_console.api import accounts
from wharf_console.sessions.reaches import Known
from wharf_console.web.current import api, context, user
from wharf_console.web.language import gettext

_SCOPES: dict[Action, str] = {
    "read": "files:read",
    "write": "files:write",
    "delete": "files:delete",
    "list": "files:read",
}


def actions_told() -> dict[Action, str]:
    """Return the actions of a grant, each in words."""
    return {
        "read": gettext("read"),
        "write": gettext("upload and change"),
        "delete": gettext("delete"),
        "list": gettext("see the list"),
    }


class OutsideGrants(Forbidden):
    """The person's grants do not reach what the page is about."""


def require_below(action: Action, bucket: str, prefix: str) -> None:
    """Raise `OutsideGrants` unless the person reaches everything below the prefix."""
    if not reach().covers(action, bucket, prefix):
        raise OutsideGrants


def reach() -> Reach:
    """Return what the person reaches."""
    return _known().reach


def grants() -> tuple[Grant, ...] | None:
    """Return the person's grants and those of its groups; `None` is everything."""
    return _known().grants


def is_everything() -> bool:
    """Tell whether no grant limits the person."""
    return reach().is_everything


def may(action: Action, bucket: str, key: str) -> bool:
    """Tell whether the person may do this with a file."""
    return user().may(_SCOPES[action]) and reach().allows(action, bucket, key)


def may_below(action: Action, bucket: str, prefix: str) -> bool:
    """Tell whether the person may do this with every file below a prefix."""
    return user().may(_SCOPES[action]) and reach().covers(action, bucket, prefix)


def may_somewhere(action: Action, bucket: str) -> bool:
    """Tell whether the person may do this with some files of a bucket."""
    return user().may(_SCOPES[action]) and reach().allows_somewhere(action, bucket)


def may_describe(bucket: str, key: str) -> bool:
    """Tell whether the person may change what is noted of a file."""
    return may("read", bucket, key) and may("write", bucket, key)


def may_move(bucket: str, key: str) -> bool:
    """Tell whether the person may take a file away from where it is."""
    if is_everything():
        return user().may("files:write")
    return all(may(action, bucket, key) for action in ("read", "write", "delete"))


def may_manage(bucket: str) -> bool:
    """Tell whether the person may change a bucket, or delete it; `*` is one to be made."""
    return user().may("buckets:admin") and reach().is_whole(bucket)


def may_make_buckets() -> bool:
    """Tell whether the person may make a bucket of any name."""
    return may_manage(EVERY_BUCKET)


def any_key(action: Action, bucket: str, keys: Iterable[str]) -> bool:
    """Tell whether the person may do this with one of the files, at least."""
    return any(may(action, bucket, key) for key in keys)


def any_movable(bucket: str, keys: Iterable[str]) -> bool:
    """Tell whether the person may move one of the files, at least."""
    return any(may_move(bucket, key) for key in keys)


def places(bucket: str, prefix: str) -> list[str]:
    """Return where in a folder of a bucket the person may do anything, without the folder itself.

    They are the beginnings of keys that lead on from the folder.
    """
    found = {one for action in ACTIONS for one in reach().prefixes(action, bucket)}
    return sorted(one for one in found if one != prefix and one.startswith(prefix))


def prefixes(action: Action, bucket: str) -> tuple[str, ...]:
    """Return how keys begin with which the person may do this."""
    return reach().prefixes(action, bucket)


def _known() -> Known:
    if "reach" not in g:
        parts = context()
        g.reach = parts.reaches.of(user().record_id, parts.clock(), lambda: accounts.me(api()))
    known: Known = g.reach
    return known
