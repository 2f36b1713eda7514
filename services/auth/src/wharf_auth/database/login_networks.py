"""The networks from which people have logged in (ADR 65).

In such a network, the limits of the network do not apply to the person.
"""

from __future__ import annotations

from servicekit.database import Connection, Database
from servicekit.networks import network_of
from wharf_auth.database.people_contract import Session

_DAY_MILLISECONDS = 24 * 3600 * 1000
#: How long a network is known after a login: 30 days, and one day in which no login is written.
KNOWN_MILLISECONDS = 31 * _DAY_MILLISECONDS
# The most networks of a person. Above that, the least recently used network is removed.
_MOST_NETWORKS = 32
# A login writes nothing if its network was written within the last day.
_NOTE = (
    "INSERT INTO login_networks (user_id, network, tenant, used_at) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (user_id, network) DO UPDATE SET used_at = excluded.used_at "
    "WHERE login_networks.used_at < ?"
)
_DELETE_SURPLUS = (
    "DELETE FROM login_networks WHERE user_id = ? AND network IN (SELECT network "
    "FROM login_networks WHERE user_id = ? ORDER BY used_at DESC, network LIMIT ? OFFSET ?)"
)


def note(connection: Connection, session: Session) -> None:
    """Store the network of a login."""
    network, now = network_of(session.address), session.created_at
    row = (session.user, network, session.tenant, now, now - _DAY_MILLISECONDS)
    if connection.execute(_NOTE, row):
        connection.execute(
            _DELETE_SURPLUS, (session.user, session.user, _MOST_NETWORKS, _MOST_NETWORKS)
        )


def delete_of_user(connection: Connection, user: str) -> None:
    """Remove all networks of one person."""
    connection.execute("DELETE FROM login_networks WHERE user_id = ?", (user,))


def purge(connection: Connection, tenant: str) -> None:
    """Remove all networks of a tenant's people."""
    connection.execute("DELETE FROM login_networks WHERE tenant = ?", (tenant,))


class SqlLoginNetworks:
    """The SQL implementation of `LoginNetworks`."""

    _database: Database

    def login_networks(self, tenant: str, folded: str, now: int) -> frozenset[str]:
        """Read the known networks of one person."""
        rows = self._database.reading().rows(
            "SELECT n.network FROM login_networks n JOIN users u ON u.id = n.user_id "
            "WHERE u.tenant = ? AND u.folded = ? AND n.used_at > ?",
            (tenant, folded, now - KNOWN_MILLISECONDS),
        )
        return frozenset(network for (network,) in rows)

    def prune_login_networks(self, now: int) -> int:
        """Remove the networks that are not known any more."""
        with self._database.transaction() as connection:
            return connection.execute(
                "DELETE FROM login_networks WHERE used_at < ?", (now - KNOWN_MILLISECONDS,)
            )
