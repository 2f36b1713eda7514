"""The claim `grants` of an access token: what its bearer reaches, and where that comes from.

`auth` writes it when somebody has a list of grants or is in a group, and lists it in `crit`. Parts
that are too long for a token are left out; the feed of changes has them (`servicekit.reaches`).
"""

from __future__ import annotations

import msgspec

from servicekit.grants import Compact

CLAIM = "grants"
#: Of the claim in JSON; what does not fit is left to the feed.
MAX_CLAIM_BYTES = 2048
#: Of somebody's own grants in JSON; longer ones are left to the feed.
MAX_OWN_BYTES = 640
#: That one person or client may be in.
MAX_GROUPS = 16


class GroupPart(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a group adds. `scopes` are space-separated; `grants` are filled in, `None`: left out.

    `version` (unix milliseconds) is of the group's last change.
    """

    group: str
    version: int
    scopes: str = ""
    grants: Compact | None = None


class GrantsClaim(
    msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, cache_hash=True
):
    """The bearer reaches `own` and what the `groups` add.

    `version` (unix milliseconds) is of the last change of the bearer's own grants, scopes or
    groups. `own` are filled in, `None`: left out. `scopes` are the bearer's own, space-separated.
    `username` is a person's, empty for programs. A member that is not known is an error, as of
    tickets.
    """

    version: int = msgspec.field(name="v")
    own: Compact | None = None
    scopes: str = msgspec.field(name="s", default="")
    username: str = msgspec.field(name="u", default="")
    groups: tuple[GroupPart, ...] = msgspec.field(name="g", default=())


def fits(own: Compact) -> bool:
    """Tell whether somebody's own grants, filled in, stand in tokens; else the feed has them."""
    return len(msgspec.json.encode(own)) <= MAX_OWN_BYTES


def fitting(claim: GrantsClaim) -> GrantsClaim:
    """Return a claim that fits into a token: long own grants go, then the longest parts of groups.

    Only a user name of several hundred bytes can make it longer than `MAX_CLAIM_BYTES`.
    """
    if claim.own is not None and not fits(claim.own):
        claim = msgspec.structs.replace(claim, own=None)
    groups = list(claim.groups)
    while len(msgspec.json.encode(claim)) > MAX_CLAIM_BYTES:
        long = [at for at, part in enumerate(groups) if part.grants or part.scopes]
        if not long:
            break
        longest = max(long, key=lambda at: len(msgspec.json.encode(groups[at])))
        part = groups[longest]
        groups[longest] = GroupPart(part.group, part.version)
        claim = msgspec.structs.replace(claim, groups=tuple(groups))
    return claim
