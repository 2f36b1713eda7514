"""What callers reach now: their tokens' grants, and what has changed since these were issued.

The feed of `auth` (`servicekit.revocations`) has an entry for each group, and for each person or
client whose grants, scopes or groups changed while tokens, tickets or links of them may be about.
Of an entry and a token the newer `version` holds. A caller of whom the feed says nothing, and whose
token has no claim, reaches everything.
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

# Of what is resolved, in grants: some 10 MB. A caller counts a few more than it has.
_MEMORY_WEIGHT, _CALLER_WEIGHT = 32_768, 4
_CALLERS = 1024
_READ = "files:read"


class ReachChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an entry of the feed says of a person, a client (kind `reach`) or a group (`group`).

    `version` is in unix milliseconds and grows with each change. Of a person or client `grants` are
    its own, filled in; of a group they have their placeholders. `groups` are the ids of those it
    is in. `username` is a person's, empty for programs.
    """

    version: int
    grants: Compact = ()
    scopes: str = ""
    username: str = ""
    groups: tuple[str, ...] = ()


_change_of = msgspec.json.Decoder(ReachChange).decode


class Maker(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The maker of a signed link, and its right to read: the link ends with that right.

    `by_own`: by own grants, or by having no list; `by_own_scope`: by an own scope. `groups`: those
    that give what of the two is not the maker's own, and others that give it too.
    """

    subject: str
    version: int = 0
    by_own: bool = True
    groups: tuple[str, ...] = ()
    username: str = ""
    by_own_scope: bool = True


class _Resolved(NamedTuple):
    """What somebody reaches, with which scopes at the most, and of how many grants that is."""

    reach: Reach
    scopes: frozenset[str]
    grants: int


_Name = tuple[str, str, GrantsClaim | Maker | None]
#: Changes in JSON, by tenant and name.
_Kept = dict[tuple[str, str], bytes]


class _Memory(dict[_Name, _Resolved]):
    """What was resolved, by tenant, subject, and a token's claim or the right of a link's maker."""

    weight = 0

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        # By the id of a token's principal, which the verifier gives again for some seconds.
        self.callers: dict[int, tuple[Principal, Principal]] = {}

    def put(self, name: _Name, found: _Resolved) -> None:
        """Remember one more; everything goes at once when there are too many."""
        if self.weight >= _MEMORY_WEIGHT:
            self.clear()
            self.weight = 0
        self[name] = found
        self.weight += found.grants + _CALLER_WEIGHT


class _Source(NamedTuple):
    """The newest word on somebody."""

    version: int
    own: Iterable[CompactGrant]
    scopes: str
    holder: Holder
    groups: tuple[GroupPart, ...]


class KnownReaches:
    """What the feed has said of reaches. One for each process; reading needs no lock."""

    def __init__(self) -> None:
        # In JSON, a third of the size: there may be a hundred thousand.
        self._subjects: _Kept = {}
        self._groups: _Kept = {}
        self._memory = _Memory()
        self._lock = threading.Lock()

    def take(self, kind: str, tenant: str, name: str, change: ReachChange) -> None:
        """Take an entry of the kind `reach` or `group`."""
        kept = self._groups if kind == "group" else self._subjects
        # Names of tenants come again and again.
        kept[sys.intern(tenant), name] = msgspec.json.encode(change)
        # A new one: a thread that still resolves by older knowledge writes into the old one.
        self._memory = _Memory()

    def resolve(self, principal: Principal) -> Principal:
        """Return the caller with the reach, and within the scopes, that it has now.

        Raises the problem `service-unavailable` where the token leaves to the feed what the feed
        has not said yet.
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
        """Return by what right the caller gives away what begins with the prefix.

        The caller's reach has to cover it: `access.reach` of upload judges that before.
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
        """Tell whether the maker of a link may read a key, by the right it had or a newer one."""
        change = _last(self._subjects, tenant, maker.subject)
        if change is not None and change.version > maker.version:
            found = self._found((tenant, maker.subject, None))
            return _READ in found.scopes and found.reach.allows("read", bucket, key)
        if maker.by_own and maker.by_own_scope:
            return True
        found = self._found((tenant, maker.subject, maker))
        return _READ in found.scopes and found.reach.allows("read", bucket, key)

    # ---- how a reach comes about ----

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
        """Return what the right of a link's maker comes to, as its groups are now."""
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
        """Return what a group adds: as the feed has it, unless the token's word is newer."""
        known = _last(self._groups, tenant, part.group)
        if known is not None and known.version >= part.version:
            grants = filled(known.grants, holder)
            return GroupPart(part.group, known.version, known.scopes, grants)
        if part.grants is None and part.version:
            raise _not_known()
        return part


def _last(kept: _Kept, tenant: str, name: str) -> ReachChange | None:
    """Return the feed's last word on somebody or on a group."""
    found = kept.get((tenant, name))
    return None if found is None else _change_of(found)


def _of_change(subject: str, change: ReachChange, claim: GrantsClaim | None) -> _Source:
    """The feed's word. Of a group that a token knows better, the token's part is kept."""
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
        "What this token reaches is not known here yet; try again in a second.",
        headers=(("Retry-After", "1"),),
        retry_after=1,
    )
