"""What users, clients and groups reach: in their rows, and in the feed."""

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
    """Return grants as a column has them."""
    return None if grants is None else msgspec.json.encode(grants).decode()


def read(column: str | None) -> Compact | None:
    """Return the grants of a column."""
    return None if column is None else _read(column)


def horizon(at: int, link_max_seconds: int) -> int:
    """When (unix seconds) no token, ticket or link is left that was made before `at`."""
    return at // 1000 + max(MAX_TOKEN_TTL_SECONDS, link_max_seconds) + LEEWAY_SECONDS + 1


def renewed(
    connection: Connection, tenant: str, kind: MemberKind, subject: str, at: int
) -> ReachChange:
    """Give a user's or client's rights a new version; return what the feed has to say of them.

    To be called after all changes of rights and groups, while the row is held. A disabled
    user or client reaches nothing.
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
    """Return what the feed has to say of a user or client."""
    return ReachChange(version, filled(as_list(grants), holder), scopes, holder.username, groups)


def require_unlimited(scopes: tuple[str, ...], grants: Compact | None) -> None:
    """Raise `LimitedManager` where there is a list of grants beside a scope that could lift it."""
    if grants is not None and may_lift_grants(scopes):
        raise LimitedManager


class PublishesReaches(HasLimits):
    """The part of the records that puts reaches into the feed."""

    #: The longest life of a signed link.
    _link_max_seconds = LINK_MAX_SECONDS

    def _publish(
        self, connection: Connection, tenant: str, changes: Mapping[str, ReachChange], at: int
    ) -> None:
        """Put what changed of users and clients into the feed, as the transaction's last step.

        What does not fit into tokens stays there.
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
        """Put a new user or client into the feed, where its tokens leave its grants to that."""
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
        """Put a group into the feed, where it stays until it is deleted."""
        until = horizon(at, self._link_max_seconds) if deleted else None
        feed.append_all(connection, [Entry("group", "changed", tenant, group, until, at, change)])
