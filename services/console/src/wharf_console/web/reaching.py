"""The person's permissions for buckets and keys, by scopes and grants, for what pages offer.

The API decides in any case. Templates use this module as `reaching`.
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
    """Return the actions of a grant with descriptions."""
    return {
        "read": gettext("read"),
        "write": gettext("upload and change"),
        "delete": gettext("delete"),
        "list": gettext("see the list"),
    }


class OutsideGrants(Forbidden):
    """The person's grants do not allow the action of the page."""


def require_below(action: Action, bucket: str, prefix: str) -> None:
    """Raise `OutsideGrants` unless the grants allow the action for every key below the prefix."""
    if not reach().covers(action, bucket, prefix):
        raise OutsideGrants


def reach() -> Reach:
    """Return the person's reach."""
    return _known().reach


def grants() -> tuple[Grant, ...] | None:
    """Return the grants of the person and their groups; `None` if no grants limit the person."""
    return _known().grants


def is_everything() -> bool:
    """Tell whether no grant limits the person."""
    return reach().is_everything


def may(action: Action, bucket: str, key: str) -> bool:
    """Tell whether the person may do the action with a file."""
    return user().may(_SCOPES[action]) and reach().allows(action, bucket, key)


def may_below(action: Action, bucket: str, prefix: str) -> bool:
    """Tell whether the person may do the action with every file below a prefix."""
    return user().may(_SCOPES[action]) and reach().covers(action, bucket, prefix)


def may_somewhere(action: Action, bucket: str) -> bool:
    """Tell whether the person may do the action with some files of a bucket."""
    return user().may(_SCOPES[action]) and reach().allows_somewhere(action, bucket)


def may_describe(bucket: str, key: str) -> bool:
    """Tell whether the person may change the details of a file."""
    return may("read", bucket, key) and may("write", bucket, key)


def may_move(bucket: str, key: str) -> bool:
    """Tell whether the person may move a file from its address."""
    if is_everything():
        return user().may("files:write")
    return all(may(action, bucket, key) for action in ("read", "write", "delete"))


def may_manage(bucket: str) -> bool:
    """Tell whether the person may change or delete a bucket; `*` stands for a new bucket."""
    return user().may("buckets:admin") and reach().is_whole(bucket)


def may_make_buckets() -> bool:
    """Tell whether the person may make a bucket with any name."""
    return may_manage(EVERY_BUCKET)


def any_key(action: Action, bucket: str, keys: Iterable[str]) -> bool:
    """Tell whether the person may do the action with at least one of the files."""
    return any(may(action, bucket, key) for key in keys)


def any_movable(bucket: str, keys: Iterable[str]) -> bool:
    """Tell whether the person may move at least one of the files."""
    return any(may_move(bucket, key) for key in keys)


def places(bucket: str, prefix: str) -> list[str]:
    """Return the prefixes below a folder for which the person has any grant.

    The folder itself is not among them.
    """
    found = {one for action in ACTIONS for one in reach().prefixes(action, bucket)}
    return sorted(one for one in found if one != prefix and one.startswith(prefix))


def prefixes(action: Action, bucket: str) -> tuple[str, ...]:
    """Return the prefixes of the keys for which grants allow the action."""
    return reach().prefixes(action, bucket)


def _known() -> Known:
    if "reach" not in g:
        parts = context()
        g.reach = parts.reaches.of(user().record_id, parts.clock(), lambda: accounts.me(api()))
    known: Known = g.reach
    return known
