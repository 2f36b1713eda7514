"""Checks whether a caller's grants reach a key, for all routes that name one.

A caller gets the same 404 for a place that it may neither read nor list as for a place that does
not exist. For a place that the caller may know, and for a write to any key of a bucket that a grant
names, the response names the missing grant (`OutsideGrants`, 403).
"""

from __future__ import annotations

from servicekit.access import require_scope
from servicekit.grants import EVERY_BUCKET, Action
from servicekit.tokens import Principal
from wharf_upload.access.authorization import DELETE
from wharf_upload.domain.files import FileAddress
from wharf_upload.domain.refusals import NoSuchBucket, NoSuchFile, OutsideGrants
from wharf_upload.domain.resumable_upload import Upload

_LEAVING: tuple[Action, ...] = ("read", "write", "delete")


def require(principal: Principal, action: Action, bucket: str, key: str) -> None:
    """Raise `NoSuchBucket`, `NoSuchFile` or `OutsideGrants` unless the action is permitted."""
    if principal.reach.allows(action, bucket, key):
        return
    require_bucket(principal, bucket)
    if action != "write" and not is_known(principal, bucket, key):
        raise NoSuchFile
    raise OutsideGrants(action, bucket, key)


def require_move(principal: Principal, source: FileAddress, target: FileAddress) -> None:
    """Raise the errors of `require` unless a file may move from one address to the other.

    A caller with grants also needs the scope of deletions, because the file disappears at the
    source; without the scope, raise the problem `insufficient-scope`. If the move gives the file
    another key than the target's (`on_conflict` is `rename`), the caller of this function must
    check that key.
    """
    if principal.reach.is_everything:
        return
    require_scope(principal, DELETE)
    for action in _LEAVING:
        require(principal, action, source.bucket, source.key)
    require(principal, "write", target.bucket, target.key)


def require_below(principal: Principal, action: Action, bucket: str, prefix: str) -> None:
    """Raise an error unless the action is permitted on all keys that begin with the prefix.

    The error is `NoSuchBucket` or `OutsideGrants`.
    """
    if not principal.reach.covers(action, bucket, prefix):
        require_bucket(principal, bucket)
        raise OutsideGrants(action, bucket, prefix)


def require_somewhere(principal: Principal, action: Action, bucket: str) -> None:
    """Raise an error unless the action is permitted on some keys of the bucket.

    The error is `NoSuchBucket` or `OutsideGrants`. The caller of this function checks each key
    later.
    """
    if not principal.reach.allows_somewhere(action, bucket):
        require_bucket(principal, bucket)
        raise OutsideGrants(action, bucket)


def require_bucket(principal: Principal, bucket: str) -> None:
    """Raise `NoSuchBucket` if no grant names the bucket."""
    if not principal.reach.names(bucket):
        raise NoSuchBucket


def named_buckets(principal: Principal) -> tuple[str, ...] | None:
    """Return the buckets that the caller's grants name, in order; `None` if they name all."""
    places = principal.reach.places
    return None if places is None or EVERY_BUCKET in places else tuple(sorted(places))


def require_whole_bucket(principal: Principal, bucket: str) -> None:
    """Raise `NoSuchBucket` or `OutsideGrants` unless the caller reaches all of the bucket."""
    if not principal.reach.is_whole(bucket):
        require_bucket(principal, bucket)
        raise OutsideGrants("administer", bucket)


def require_everything(principal: Principal) -> None:
    """Raise `OutsideGrants` unless the caller reaches all buckets and keys of the tenant."""
    if not principal.reach.is_everything:
        raise OutsideGrants("administer")


def is_known(principal: Principal, bucket: str, key: str) -> bool:
    """Tell whether the caller may know that a key exists: it may read or list the key."""
    reach = principal.reach
    return reach.allows("read", bucket, key) or reach.allows("list", bucket, key)


def require_upload(principal: Principal, bucket: str, key: str = "") -> None:
    """Raise the errors of `require` unless the caller may upload a file with this key.

    Without a key, the key of the caller's ticket counts. Without either key, raise unless the
    caller may upload files somewhere in the bucket; the key of each file is checked later.
    """
    if principal.reach.places is None:
        return
    ticket = principal.ticket
    named = key or (ticket.key if ticket is not None else None)
    if named:
        require(principal, "write", bucket, named)
        return
    require_somewhere(principal, "write", bucket)
    if ticket is not None and within(principal, bucket) == ():
        raise OutsideGrants("write", bucket, ticket.prefix or "")


def within(principal: Principal, bucket: str) -> tuple[str, ...] | None:
    """Return the prefixes of the keys that the caller may write; `None` if it may write any key.

    The prefixes also limit keys that the service chooses. The prefix of an upload ticket narrows
    what the grants permit.
    """
    ticket, reach = principal.ticket, principal.reach
    narrow = ticket.prefix if ticket is not None else None
    if reach.places is None:
        return (narrow,) if narrow else None
    granted = reach.prefixes("write", bucket)
    if not narrow:
        return granted
    if narrow.startswith(granted):
        return (narrow,)
    return tuple(prefix for prefix in granted if prefix.startswith(narrow))


def require_end(principal: Principal, upload: Upload) -> None:
    """Raise `OutsideGrants` unless the caller may end another principal's upload.

    The upload's received bytes are deleted, so the caller needs the right to delete.
    """
    if not principal.reach.allows("delete", upload.bucket, upload.key):
        raise OutsideGrants("delete", upload.bucket, upload.key)


def reaches_upload(principal: Principal, upload: Upload) -> bool:
    """Tell whether the caller may know that a resumable upload exists.

    The caller may know its own uploads if it may write their keys, and the uploads of others if it
    may read their keys.
    """
    reach, bucket = principal.reach, upload.bucket
    # The file's final key may differ from the requested key.
    key = upload.key if upload.file is None else upload.file.key
    if upload.subject != principal.subject:
        return reach.allows("read", bucket, key)
    if not key:
        return reach.allows_somewhere("write", bucket)  # a partial upload never becomes a file
    return reach.allows("write", bucket, key)
