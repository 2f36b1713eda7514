"""Judges whether a caller's grants reach a key: the one place, whichever route names it.

What a caller may neither read nor list does not exist for it: it gets the same 404 as for what is
not there. Where it knows of a place, it hears which grant is missing (`OutsideGrants`, 403).
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
    """Raise `NoSuchBucket`, `NoSuchFile` or `OutsideGrants` unless the action is allowed."""
    if principal.reach.allows(action, bucket, key):
        return
    require_bucket(principal, bucket)
    if action != "write" and not is_known(principal, bucket, key):
        raise NoSuchFile
    raise OutsideGrants(action, bucket, key)


def require_move(principal: Principal, source: FileAddress, target: FileAddress) -> None:
    """Raise as `require` unless a file may leave one address and appear at the other.

    A caller with grants needs the scope of deletions as well: nothing is left at the source. A key
    that `rename` chooses in place of the target's is judged by the caller of this function.
    """
    if principal.reach.is_everything:
        return
    require_scope(principal, DELETE)
    for action in _LEAVING:
        require(principal, action, source.bucket, source.key)
    require(principal, "write", target.bucket, target.key)


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
        raise NoSuchBucket


def named_buckets(principal: Principal) -> tuple[str, ...] | None:
    """Return the buckets that grants name, in order; `None` where they name all of them."""
    places = principal.reach.places
    return None if places is None or EVERY_BUCKET in places else tuple(sorted(places))


def require_whole_bucket(principal: Principal, bucket: str) -> None:
    """Raise `NoSuchBucket` or `OutsideGrants` unless the caller reaches all of the bucket."""
    if not principal.reach.is_whole(bucket):
        require_bucket(principal, bucket)
        raise OutsideGrants("administer", bucket)


def require_everything(principal: Principal) -> None:
    """Raise `OutsideGrants` unless nothing of the tenant is out of the caller's reach."""
    if not principal.reach.is_everything:
        raise OutsideGrants("administer")


def is_known(principal: Principal, bucket: str, key: str) -> bool:
    """Tell whether the caller may know of a key: it may read or list it."""
    reach = principal.reach
    return reach.allows("read", bucket, key) or reach.allows("list", bucket, key)


def require_upload(principal: Principal, bucket: str, key: str = "") -> None:
    """Raise as `require` unless the caller may put a file there.

    Without a key the caller may put files somewhere: their keys are judged later, each by itself.
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
    """Return how the keys begin that the caller may write, also those that are chosen for it.

    `None`: it may write any key. The prefix of an upload ticket narrows what the grants allow.
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
    """Raise `OutsideGrants` unless the caller may end the upload of somebody else.

    What has come of the file is gone then, so it is a deletion.
    """
    if not principal.reach.allows("delete", upload.bucket, upload.key):
        raise OutsideGrants("delete", upload.bucket, upload.key)


def reaches_upload(principal: Principal, upload: Upload) -> bool:
    """Tell whether a resumable upload exists for the caller.

    Its own do where it may write, those of others where it may read.
    """
    reach, bucket = principal.reach, upload.bucket
    # The key may be another one than was asked for.
    key = upload.key if upload.file is None else upload.file.key
    if upload.subject != principal.subject:
        return reach.allows("read", bucket, key)
    if not key:
        return reach.allows_somewhere("write", bucket)  # a part, which becomes no file
    return reach.allows("write", bucket, key)
