"""The records of groups and their members in SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from servicekit.database import Connection, Row, UniqueViolation
from servicekit.grants import as_list
from servicekit.grants_claim import MAX_GROUPS
from servicekit.reaches import ReachChange
from wharf_auth.database import audit, reaches, room
from wharf_auth.database.contract import NameTaken, NoSuchTenant
from wharf_auth.database.groups_contract import (
    MAX_GROUPS_OF_TENANT,
    Group,
    GroupChange,
    Member,
    MemberKind,
    MemberOfTooMany,
    NamedGroup,
    NoSuchGroup,
    NoSuchMember,
    TooManyGroups,
)
from wharf_auth.database.reaches import PublishesReaches
from wharf_auth.database.tenants import require_live_tenant
from wharf_auth.domain.acts import Act

_COLUMNS = "g.id, g.tenant, g.name, g.scopes, g.grants, g.created_at, g.version"
_GROUP = f"SELECT {_COLUMNS} FROM member_groups g"  # noqa: S608 -- columns
_OF_SUBJECTS = (
    f"SELECT m.subject, {_COLUMNS} FROM group_members m "  # noqa: S608 -- columns
    "JOIN member_groups g ON g.id = m.member_group WHERE m.tenant = ? AND m.subject IN "
)
_IDS_OF_SUBJECTS = (
    "SELECT subject, member_group FROM group_members WHERE tenant = ? AND subject IN "
)
_NAMES = "SELECT id, name FROM member_groups WHERE id IN "
_MEMBERS = (
    "SELECT m.subject, m.kind, COALESCE(u.username, c.name, '') FROM group_members m "
    "LEFT JOIN users u ON u.id = m.subject LEFT JOIN clients c ON c.id = m.subject "
    "WHERE m.member_group = ? AND m.subject > ? ORDER BY m.subject LIMIT ?"
)
_USERS = "SELECT id, 'user', username FROM users WHERE tenant = ? AND id IN "
_CLIENTS = "SELECT id, 'client', name FROM clients WHERE tenant = ? AND id IN "
_COUNTS = "SELECT member_group, COUNT(*) FROM group_members WHERE member_group IN "
# The most parameters of one statement.
_AT_ONCE = 500


def _group(row: Row) -> Group:
    identifier, tenant, name, scopes, grants, created_at, version = row
    return Group(
        identifier,
        tenant,
        name,
        tuple(scopes.split()),
        reaches.read(grants),
        created_at,
        version,
    )


class SqlGroups(PublishesReaches):
    """The SQL implementation of `GroupRecords`.

    To avoid deadlocks, a transaction that locks a group and members locks the group's row first,
    then the members' rows in order of their ids.
    """

    def add_group(self, group: Group, folded: str, act: Act) -> None:
        """Insert a group under a lock on the tenant's row.

        Without the lock, two concurrent calls could exceed `MAX_GROUPS_OF_TENANT`.
        """
        room.require_entries(self._database, group.tenant, self._limits)
        try:
            with self._database.transaction() as connection:
                require_live_tenant(connection, group.tenant)
                ((found,),) = connection.rows(
                    "SELECT COUNT(*) FROM member_groups WHERE tenant = ?", (group.tenant,)
                )
                if found >= MAX_GROUPS_OF_TENANT:
                    raise TooManyGroups(group.tenant)
                grant_bytes = room.bytes_of(group.grants)
                room.require_grants(connection, group.tenant, grant_bytes, self._limits)
                connection.execute(
                    "INSERT INTO member_groups (id, tenant, name, folded, scopes, grants, "
                    "version, created_at, grant_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        group.id,
                        group.tenant,
                        group.name,
                        folded,
                        " ".join(group.scopes),
                        reaches.stored(group.grants),
                        group.version,
                        group.created_at,
                        grant_bytes,
                    ),
                )
                self._publish_group(connection, group.tenant, group.id, _change_of(group), act.at)
                audit.append(connection, act)
        except UniqueViolation:
            raise NameTaken(group.name) from None

    def group(self, tenant: str, group: str) -> Group | None:
        """Read one group."""
        row = self._database.reading().row(
            f"{_GROUP} WHERE g.tenant = ? AND g.id = ?", (tenant, group)
        )
        return _group(row) if row else None

    def groups(self, tenant: str, *, after: str, limit: int) -> list[Group]:
        """Read a page of groups."""
        connection = self._database.reading()
        if connection.row("SELECT 1 FROM tenants WHERE name = ?", (tenant,)) is None:
            raise NoSuchTenant(tenant)
        rows = connection.rows(
            f"{_GROUP} WHERE g.tenant = ? AND g.id > ? ORDER BY g.id LIMIT ?",
            (tenant, after, limit),
        )
        return [_group(row) for row in rows]

    def change_group(self, tenant: str, group: str, change: GroupChange, act: Act) -> None:
        """Update a group; new scopes or grants add one entry to the feed for all members.

        A new name adds no entry.
        """
        try:
            with self._database.transaction() as connection:
                room.hold(connection, tenant)
                old = _locked(connection, tenant, group)
                if change.name is not msgspec.UNSET:
                    connection.execute(
                        "UPDATE member_groups SET name = ?, folded = ? WHERE id = ?",
                        (change.name, change.folded, group),
                    )
                scopes = old.scopes if change.scopes is msgspec.UNSET else change.scopes
                grants = old.grants if change.grants is msgspec.UNSET else change.grants
                if (scopes, grants) != (old.scopes, old.grants):
                    version = max(old.version + 1, act.at)
                    grant_bytes = room.bytes_of(grants)
                    more = grant_bytes - room.bytes_of(old.grants)
                    room.require_grants(connection, tenant, more, self._limits)
                    connection.execute(
                        "UPDATE member_groups SET scopes = ?, grants = ?, version = ?, "
                        "grant_bytes = ? WHERE id = ?",
                        (" ".join(scopes), reaches.stored(grants), version, grant_bytes, group),
                    )
                    told = ReachChange(version, as_list(grants), " ".join(scopes))
                    self._publish_group(connection, tenant, group, told, act.at)
                audit.append(connection, act)
        except UniqueViolation:
            raise NameTaken(group) from None

    def delete_group(self, tenant: str, group: str, act: Act) -> None:
        """Delete a group, and add one entry to the feed for all members."""
        with self._database.transaction() as connection:
            old = _locked(connection, tenant, group)
            connection.execute("DELETE FROM group_members WHERE member_group = ?", (group,))
            connection.execute("DELETE FROM member_groups WHERE id = ?", (group,))
            gone = ReachChange(max(old.version + 1, act.at))
            self._publish_group(connection, tenant, group, gone, act.at, deleted=True)
            audit.append(connection, act)

    def members(self, tenant: str, group: str, *, after: str, limit: int) -> list[Member]:
        """Read a page of members."""
        connection = self._database.reading()
        if not connection.row(
            "SELECT 1 FROM member_groups WHERE tenant = ? AND id = ?", (tenant, group)
        ):
            raise NoSuchGroup(group)
        return [Member(*row) for row in connection.rows(_MEMBERS, (group, after, limit))]

    def member_counts(self, groups: Sequence[str]) -> dict[str, int]:
        """Count the members of each group with an index."""
        counts = dict.fromkeys(groups, 0)
        for part in _parts(groups):
            sql = f"{_COUNTS}{_marks(part)} GROUP BY member_group"
            counts |= dict(self._database.reading().rows(sql, part))
        return counts

    def change_members(
        self, tenant: str, group: str, *, add: Mapping[str, Act], remove: Mapping[str, Act]
    ) -> None:
        """Change the members, and add one entry to the feed for each changed member."""
        acts = {**add, **remove}
        with self._database.transaction() as connection:
            _locked(connection, tenant, group)
            moved = {
                subject: _moved(
                    connection, tenant, group, subject, acts[subject].at, is_added=subject in add
                )
                for subject in sorted(acts)
            }
            changes = {subject: change for subject, change in moved.items() if change is not None}
            if changes:
                self._publish(connection, tenant, changes, max(acts[one].at for one in changes))
                audit.append(connection, *(acts[subject] for subject in changes))

    def subjects(self, tenant: str, ids: Sequence[str]) -> list[Member]:
        """Read the users and the clients with these ids."""
        reading = self._database.reading()
        return [
            Member(*row)
            for part in _parts(ids)
            for table in (_USERS, _CLIENTS)
            for row in reading.rows(f"{table}{_marks(part)}", (tenant, *part))
        ]

    def groups_of(self, tenant: str, subjects: Sequence[str]) -> dict[str, list[Group]]:
        """Read the groups with one statement for each `_AT_ONCE` subjects."""
        found: dict[str, list[Group]] = {}
        for part in _parts(subjects):
            for subject, *columns in self._database.reading().rows(
                f"{_OF_SUBJECTS}{_marks(part)} ORDER BY g.id", (tenant, *part)
            ):
                found.setdefault(subject, []).append(_group(tuple(columns)))
        return found

    def group_names_of(self, tenant: str, subjects: Sequence[str]) -> dict[str, list[NamedGroup]]:
        """Read the name of each group once, even if many of the subjects are in it."""
        reading = self._database.reading()
        rows = [
            row
            for part in _parts(subjects)
            for row in reading.rows(
                f"{_IDS_OF_SUBJECTS}{_marks(part)} ORDER BY member_group", (tenant, *part)
            )
        ]
        names = {
            group: NamedGroup(group, name)
            for part in _parts([group for _, group in rows])
            for group, name in reading.rows(f"{_NAMES}{_marks(part)}", part)
        }
        found: dict[str, list[NamedGroup]] = {}
        for subject, group in rows:
            # The group may have been deleted between the two queries.
            if group in names:
                found.setdefault(subject, []).append(names[group])
        return found


def _change_of(group: Group) -> ReachChange:
    return ReachChange(group.version, as_list(group.grants), " ".join(group.scopes))


def _locked(connection: Connection, tenant: str, group: str) -> Group:
    """Lock a group's row until the commit and return the group; raise `NoSuchGroup`."""
    # On PostgreSQL this update locks the row; SQLite allows only one writer anyway.
    if not connection.execute(
        "UPDATE member_groups SET name = name WHERE id = ? AND tenant = ?", (group, tenant)
    ):
        raise NoSuchGroup(group)
    (row,) = connection.rows(f"{_GROUP} WHERE g.id = ?", (group,))
    return _group(row)


def _moved(
    connection: Connection, tenant: str, group: str, subject: str, at: int, *, is_added: bool
) -> ReachChange | None:
    """Add a user or client to a group, or remove it; return the change of its reach for the feed.

    Return `None` if nothing changed. Raise `NoSuchMember` or `MemberOfTooMany`.
    """
    kind = _locked_subject(connection, tenant, subject)
    if not is_added:
        removed = connection.execute(
            "DELETE FROM group_members WHERE member_group = ? AND subject = ?", (group, subject)
        )
        return reaches.renewed(connection, tenant, kind, subject, at) if removed and kind else None
    if kind is None:
        raise NoSuchMember(subject)
    groups = connection.rows(
        "SELECT member_group FROM group_members WHERE subject = ? AND tenant = ?",
        (subject, tenant),
    )
    if (group,) in groups:
        return None
    if len(groups) >= MAX_GROUPS:
        raise MemberOfTooMany(subject)
    connection.execute(
        "INSERT INTO group_members (member_group, subject, tenant, kind) VALUES (?, ?, ?, ?)",
        (group, subject, tenant, kind),
    )
    return reaches.renewed(connection, tenant, kind, subject, at)


def _locked_subject(connection: Connection, tenant: str, subject: str) -> MemberKind | None:
    """Lock the row of a user or client until the commit, and return its kind.

    Return `None` if the tenant has no user and no client with this id.
    """
    if connection.execute(
        "UPDATE users SET username = username WHERE id = ? AND tenant = ?", (subject, tenant)
    ):
        return "user"
    if connection.execute(
        "UPDATE clients SET name = name WHERE id = ? AND tenant = ?", (subject, tenant)
    ):
        return "client"
    return None


def _parts(ids: Sequence[str]) -> Iterator[tuple[str, ...]]:
    once = tuple(dict.fromkeys(ids))
    for start in range(0, len(once), _AT_ONCE):
        yield once[start : start + _AT_ONCE]


def _marks(ids: Sequence[str]) -> str:
    return f"({', '.join('?' * len(ids))})"
