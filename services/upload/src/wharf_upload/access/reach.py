"""Judges whether a caller's grants reach a key: the one place, whichever route names it.

What a caller may neither read nor list does not exist for it: it gets the same 404 as for what is
not there. Where it knows of a place, it hears which grant is missing (`OutsideGrants`, 403).
"""

from __future__ import annotations

from servicekit.grants import Action
from servicekit.tokens import Principal
from wharf_upload.domain.refusals import NoSuchBucket, NoSuchFile, OutsideGrants


def require(principal: Principal, action: Action, bucket: str, key: str) -> None:
    """Raise `NoSuchBucket`, `NoSuchFile` or `OutsideGrants` unless the action is allowed."""
    reach = principal.reach
    if reach.allows(action, bucket, key):
        return
    require_bucket(principal, bucket)
    if action in {"read", "list"} or (action == "delete" and not is_known(principal, bucket, key)):
        raise NoSuchFile(key)
    raise OutsideGrants(action, bucket, key)


def require_below(principal: Principal, action: Action, bucket: str, prefix: str) -> None:
    """Raise as `require` unless the action is allowed on all keys that begin with the prefix."""
    if not principal.reach.covers(action, bucket, prefix):
        require_bucket(principal, bucket)
        raise OutsideGrants(action, bucket, prefix)


def require_somewhere(principal: Principal, action: Action, bucket: str) -> None:
    """Raise as `require` unless the action is allowed on some keys: they are judged later."""
    if not principal.reach.allows_somewhere(action, bucket):
        require_bucket(principal, bucket)
        raise OutsideGrants(action, bucket)


def require_bucket(principal: Principal, bucket: str) -> None:
    """Raise `NoSuchBucket` where no grant names the bucket."""
    if not principal.reach.names(bucket):
        raise NoSuchBucket(bucket)


def require_whole_bucket(principal: Principal, bucket: str) -> None:
    """Raise `NoSuchBucket` or `OutsideGrants` unless the caller reaches all of the bucket."""
    if not principal.reach.is_whole(bucket):
        require_bucket(principal, bucket)
        raise OutsideGrants("administer", bucket)


def require_everything(principal: Principal, doing: str) -> None:
    """Raise `OutsideGrants` unless nothing of the tenant is out of the caller's reach."""
    if not principal.reach.is_everything:
        raise OutsideGrants(doing)


def is_known(principal: Principal, bucket: str, key: str) -> bool:
    """Tell whether the caller may know of a key: it may read or list it."""
    reach = principal.reach
    return reach.allows("read", bucket, key) or reach.allows("list", bucket, key)
