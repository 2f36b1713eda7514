"""The claim `grants` of an access token: the grants of the token's subject, and their sources.

Auth writes this claim for a user or client with a list of grants or with a group, and lists the
claim in `crit`. Parts that are too long for a token are left out; the feed has them
(`servicekit.reaches`).
"""

from __future__ import annotations

import msgspec

from servicekit.grants import Compact

CLAIM = "grants"
#: The most bytes of the claim in JSON. The feed has the parts that do not fit.
MAX_CLAIM_BYTES = 2048
#: The most bytes of the own grants in JSON. The feed has longer grants.
MAX_OWN_BYTES = 640
#: The most groups of one person or client.
MAX_GROUPS = 16


class GroupPart(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The scopes and grants that a group adds.

    `version` (unix milliseconds) is the version of the group's last change. `scopes` are separated
    by spaces. `grants` have their placeholders filled in; `None` means that they are left out.
    """

    group: str
    version: int
    scopes: str = ""
    grants: Compact | None = None


class GrantsClaim(
    msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, cache_hash=True
):
    """The claim: the subject's own grants and scopes, and the parts of its groups.

    `version` (unix milliseconds) is the version of the last change of the own grants, scopes or
    list of groups. `own` are the own grants with placeholders filled in; `None` means that they are
    left out. `scopes` are the own scopes, separated by spaces. `username` is empty for clients. An
    unknown member is an error, as in tickets.
    """

    version: int = msgspec.field(name="v")
    own: Compact | None = None
    scopes: str = msgspec.field(name="s", default="")
    username: str = msgspec.field(name="u", default="")
    groups: tuple[GroupPart, ...] = msgspec.field(name="g", default=())


def fits(own: Compact) -> bool:
    """Tell whether tokens contain these own grants; if not, only the feed has them."""
    return len(msgspec.json.encode(own)) <= MAX_OWN_BYTES


def fitting(claim: GrantsClaim) -> GrantsClaim:
    """Shorten a claim so that it fits into a token.

    First long own grants are left out, then the longest parts of groups. Only a user name of
    several hundred bytes can make the result longer than `MAX_CLAIM_BYTES`.
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
