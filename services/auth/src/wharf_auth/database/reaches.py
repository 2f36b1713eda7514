"""The reach of users, clients and groups: its columns, and its entries in the feed."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from servicekit import grants_claim
from servicekit.database import Connection
from servicekit.grants import Compact, Holder, as_list, filled
from servicekit.reaches import ReachChange
from servicekit.tokens import LEEWAY_SECONDS
from wharf_auth.database import feed
from wharf_auth.database.feed import Entry
from wharf_auth.database.groups_contract import LimitedManager, MemberKind
from wharf_auth.database.room import HasLimits
from wharf_auth.domain import users
from wharf_auth.domain.scopes import may_lift_grants
from wharf_auth.domain.tokens import MAX_TOKEN_TTL_SECONDS

#: The default of `WHARF_LINK_MAX_SECONDS`.
LINK_MAX_SECONDS = 7 * 24 * 3600
_read = msgspec.json.Decoder(Compact | None).decode
_BUMP = (
    "reach_version = CASE WHEN reach_version >= ? THEN reach_version + 1 ELSE ? END "
    "WHERE tenant = ? AND id = ? RETURNING"
)
_BUMPS: Mapping[MemberKind, str] = {
    "user": f"UPDATE users SET {_BUMP} reach_version, grants, disabled_at, username, role",  # noqa: S608 -- columns
    "client": f"UPDATE clients SET {_BUMP} reach_version, grants, disabled_at, scopes",  # noqa: S608 -- columns
}


def stored(grants: Compact | None) -> str | None:
    """Convert grants to the text that a column stores."""
    return None if grants is None else msgspec.json.encode(grants).decode()


def read(column: str | None) -> Compact | None:
    """Convert the text of a column to grants."""
    return None if column is None else _read(column)


def horizon(at: int, link_max_seconds: int) -> int:
    """Return the time (unix seconds) by which every token, ticket and link from before `at` ends.

    `at` is in unix milliseconds.
    """
    return at // 1000 + max(MAX_TOKEN_TTL_SECONDS, link_max_seconds) + LEEWAY_SECONDS + 1


def renewed(
    connection: Connection, tenant: str, kind: MemberKind, subject: str, at: int
) -> ReachChange:
    """Give the reach of a user or client a new version; return the change for the feed.

    Call this after all changes of rights and groups, while the row is locked. A disabled user or
    client reaches nothing.
    """
    (row,) = connection.rows(_BUMPS[kind], (at, at, tenant, subject))
    version, column, disabled_at, name = row[:4]
    if disabled_at is not None:
        return ReachChange(version)
    groups = connection.rows(
        "SELECT member_group FROM group_members WHERE subject = ? AND tenant = ? "
        "ORDER BY member_group",
        (subject, tenant),
    )
    is_user = kind == "user"
    holder = Holder(user_id=subject, username=name) if is_user else Holder(client=subject)
    return of_row(
        version,
        read(column),
        holder,
        " ".join(users.scopes_of(row[4])) if is_user else name,
        tuple(group for (group,) in groups),
    )


def of_row(
    version: int, grants: Compact | None, holder: Holder, scopes: str, groups: tuple[str, ...] = ()
) -> ReachChange:
    """Build the change for the feed from the row of a user or client."""
    return ReachChange(version, filled(as_list(grants), holder), scopes, holder.username, groups)


def require_unlimited(scopes: tuple[str, ...], grants: Compact | None) -> None:
    """Raise `LimitedManager` for a list of grants if one of the scopes allows removing the list."""
    if grants is not None and may_lift_grants(scopes):
        raise LimitedManager


class PublishesReaches(HasLimits):
    """A base class of records that append reaches to the feed."""

    #: The longest life of a signed link.
    _link_max_seconds = LINK_MAX_SECONDS

    def _publish(
        self, connection: Connection, tenant: str, changes: Mapping[str, ReachChange], at: int
    ) -> None:
        """Append the changes of users and clients to the feed, as the transaction's last step.

        An entry never expires if its grants do not fit into tokens: services read these grants from
        the feed only.
        """
        until = horizon(at, self._link_max_seconds)
        feed.append_all(
            connection,
            [
                Entry(
                    "reach",
                    "changed",
                    tenant,
                    subject,
                    until if grants_claim.fits(change.grants) else None,
                    at,
                    change,
                )
                for subject, change in changes.items()
            ],
        )

    def _publish_new(
        self, connection: Connection, tenant: str, subject: str, change: ReachChange, at: int
    ) -> None:
        """Append a new user or client to the feed if its grants do not fit into tokens."""
        if not grants_claim.fits(change.grants):
            self._publish(connection, tenant, {subject: change}, at)

    def _publish_group(
        self,
        connection: Connection,
        tenant: str,
        group: str,
        change: ReachChange,
        at: int,
        *,
        deleted: bool = False,
    ) -> None:
        """Append a group to the feed; its entry expires only after the group was deleted."""
        until = horizon(at, self._link_max_seconds) if deleted else None
        feed.append_all(connection, [Entry("group", "changed", tenant, group, until, at, change)])
