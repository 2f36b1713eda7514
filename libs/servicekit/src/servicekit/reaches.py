"""The current reach of callers: the grants of their tokens, and later changes from the feed.

The feed of auth (`servicekit.revocations`) has an entry for each group. The feed also has an entry
for each person or client whose grants, scopes or groups have changed while its tokens, tickets or
links may still be valid. If an entry and a token differ, the newer `version` applies. A caller
reaches everything if the feed has no entry for the caller and its token has no claim.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from servicekit.grants import EVERYTHING_COMPACT, Compact, CompactGrant, Holder, filled
from servicekit.grants_claim import GrantsClaim, GroupPart
from servicekit.problems import UNAVAILABLE, ProblemError
from servicekit.reach import Reach, reach_of
from servicekit.tokens import Principal

# The limit of the cache of resolved reaches, as a number of grants: they need about 10 MB. Each
# caller counts as four grants in addition to its own grants.
_MEMORY_WEIGHT, _CALLER_WEIGHT = 32_768, 4
_CALLERS = 1024
_READ = "files:read"


class ReachChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """The content of a feed entry about a person or client (`reach`) or a group (`group`).

    `version` is in unix milliseconds and grows with each change. For a person or client, `grants`
    are its own grants with placeholders filled in, and `groups` are the ids of its groups. For a
    group, `grants` still have their placeholders. `username` is empty for clients and groups.
    """

    version: int
    grants: Compact = ()
    scopes: str = ""
    username: str = ""
    groups: tuple[str, ...] = ()


_change_of = msgspec.json.Decoder(ReachChange).decode


class Maker(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The maker of a signed link, and its right to read: the link ends when this right ends.

    `by_own`: the maker's own grants, or the absence of a list, permit the key. `by_own_scope`: the
    maker itself has the scope. `groups` are the ids of all groups that give the scope or a grant
    for the key.
    """

    subject: str
    version: int = 0
    by_own: bool = True
    groups: tuple[str, ...] = ()
    username: str = ""
    by_own_scope: bool = True


class _Resolved(NamedTuple):
    """A resolved reach, all scopes that the caller may have, and the number of its grants."""

    reach: Reach
    scopes: frozenset[str]
    grants: int


_Name = tuple[str, str, GrantsClaim | Maker | None]
#: Changes in JSON, by tenant and name.
_Kept = dict[tuple[str, str], bytes]


class _Memory(dict[_Name, _Resolved]):
    """The cache of resolved reaches.

    A key is the tenant, the subject, and the claim of a token or the right of a link's maker.
    """

    weight = 0

    def __init__(self) -> None:
        """Create an empty cache."""
        super().__init__()
        # By the id() of a principal: the verifier returns the same object for some seconds.
        self.callers: dict[int, tuple[Principal, Principal]] = {}

    def put(self, name: _Name, found: _Resolved) -> None:
        """Add a reach; clear the cache first if it is full."""
        if self.weight >= _MEMORY_WEIGHT:
            self.clear()
            self.weight = 0
        self[name] = found
        self.weight += found.grants + _CALLER_WEIGHT


class _Source(NamedTuple):
    """The newest known rights of a subject, from the feed or from its token."""

    version: int
    own: Iterable[CompactGrant]
    scopes: str
    holder: Holder
    groups: tuple[GroupPart, ...]


class KnownReaches:
    """The reaches in the feed, for one process; reading needs no lock."""

    def __init__(self) -> None:
        # The entries are stored as JSON, a third of the size: there may be a hundred thousand.
        self._subjects: _Kept = {}
        self._groups: _Kept = {}
        self._memory = _Memory()
        self._lock = threading.Lock()

    def take(self, kind: str, tenant: str, name: str, change: ReachChange) -> None:
        """Store an entry of the kind `reach` or `group`."""
        kept = self._groups if kind == "group" else self._subjects
        # Interned, since the names of tenants repeat.
        kept[sys.intern(tenant), name] = msgspec.json.encode(change)
        # Use a new cache: a thread that still resolves with older entries writes into the old
        # cache.
        self._memory = _Memory()

    def resolve(self, principal: Principal) -> Principal:
        """Return the principal with its current reach and scopes.

        Raise the problem `unavailable` if the token leaves grants to the feed, and the feed has no
        entry for them yet.
        """
        claim = principal.grants
        if claim is None and (
            not self._subjects or (principal.tenant, principal.subject) not in self._subjects
        ):
            return principal
        callers = self._memory.callers
        known = callers.get(id(principal))
        if known is not None and known[0] is principal:
            return known[1]
        found = self._found((principal.tenant, principal.subject, claim))
        now = msgspec.structs.replace(
            principal, reach=found.reach, scopes=principal.scopes & found.scopes
        )
        if len(callers) >= _CALLERS:
            callers.clear()
        callers[id(principal)] = (principal, now)
        return now

    def maker_of(self, principal: Principal, bucket: str, prefix: str) -> Maker:
        """Return the right by which the caller makes a link for the keys with this prefix.

        The caller's reach has to cover the prefix: `access.reach` of upload checks this before.
        """
        tenant, subject, claim = principal.tenant, principal.subject, principal.grants
        if claim is None and (tenant, subject) not in self._subjects:
            return Maker(subject)
        source = self._source(tenant, subject, claim)
        parts = [self._group(tenant, part, source.holder) for part in source.groups]
        return Maker(
            subject,
            source.version,
            reach_of(source.own).covers("read", bucket, prefix),
            tuple(
                part.group
                for part in parts
                if _READ in part.scopes.split()
                or reach_of(part.grants or ()).covers("read", bucket, prefix)
            ),
            source.holder.username,
            _READ in source.scopes.split(),
        )

    def still_reads(self, tenant: str, maker: Maker, bucket: str, key: str) -> bool:
        """Tell whether the maker of a link may still read a key.

        An entry of the maker in the feed decides if the entry is newer than the link. Otherwise the
        right in the link decides, with the present grants and scopes of its groups.
        """
        change = _last(self._subjects, tenant, maker.subject)
        if change is not None and change.version > maker.version:
            found = self._found((tenant, maker.subject, None))
            return _READ in found.scopes and found.reach.allows("read", bucket, key)
        if maker.by_own and maker.by_own_scope:
            return True
        found = self._found((tenant, maker.subject, maker))
        return _READ in found.scopes and found.reach.allows("read", bucket, key)

    # ---- resolving a reach ----

    def _found(self, name: _Name) -> _Resolved:
        memory = self._memory
        found = memory.get(name)
        if found is None:
            tenant, subject, right = name
            found = (
                self._of_maker(tenant, right)
                if isinstance(right, Maker)
                else self._resolved(tenant, subject, right)
            )
            with self._lock:
                memory.put(name, found)
        return found

    def _resolved(self, tenant: str, subject: str, claim: GrantsClaim | None) -> _Resolved:
        source = self._source(tenant, subject, claim)
        grants, scopes = list(source.own), set(source.scopes.split())
        for part in source.groups:
            group = self._group(tenant, part, source.holder)
            grants += group.grants or ()
            scopes |= set(group.scopes.split())
        return _Resolved(reach_of(grants), frozenset(scopes), len(grants))

    def _of_maker(self, tenant: str, maker: Maker) -> _Resolved:
        """Resolve the right of a link's maker with its groups as they are now."""
        holder = _holder(maker.subject, maker.username)
        grants = list(EVERYTHING_COMPACT if maker.by_own else ())
        scopes = {_READ} if maker.by_own_scope else set()
        for name in maker.groups:
            group = _last(self._groups, tenant, name)
            if group is not None:
                grants += filled(group.grants, holder)
                scopes |= set(group.scopes.split())
        return _Resolved(reach_of(grants), frozenset(scopes), len(grants))

    def _source(self, tenant: str, subject: str, claim: GrantsClaim | None) -> _Source:
        change = _last(self._subjects, tenant, subject)
        if change is not None and (claim is None or change.version >= claim.version):
            return _of_change(subject, change, claim)
        if claim is None or claim.own is None:
            raise _not_known()
        holder = _holder(subject, claim.username)
        return _Source(claim.version, claim.own, claim.scopes, holder, claim.groups)

    def _group(self, tenant: str, part: GroupPart, holder: Holder) -> GroupPart:
        """Return the part of a group: from the feed, unless the token has a newer version."""
        known = _last(self._groups, tenant, part.group)
        if known is not None and known.version >= part.version:
            grants = filled(known.grants, holder)
            return GroupPart(part.group, known.version, known.scopes, grants)
        if part.grants is None and part.version:
            raise _not_known()
        return part


def _last(kept: _Kept, tenant: str, name: str) -> ReachChange | None:
    """Return the last entry of the feed about a subject or a group."""
    found = kept.get((tenant, name))
    return None if found is None else _change_of(found)


def _of_change(subject: str, change: ReachChange, claim: GrantsClaim | None) -> _Source:
    """Return the rights of a subject from the feed.

    The parts of groups in the token are kept, since they may be newer than the feed.
    """
    parts = {part.group: part for part in (claim.groups if claim is not None else ())}
    return _Source(
        change.version,
        change.grants,
        change.scopes,
        _holder(subject, change.username),
        tuple(parts.get(group, GroupPart(group, 0)) for group in change.groups),
    )


def _holder(subject: str, username: str) -> Holder:
    return Holder(user_id=subject, username=username) if username else Holder(client=subject)


def _not_known() -> ProblemError:
    return UNAVAILABLE(
        "The service has not received the grants of this token yet; try again in a second.",
        headers=(("Retry-After", "1"),),
        retry_after=1,
    )
