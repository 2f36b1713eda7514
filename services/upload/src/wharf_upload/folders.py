"""Paths of the upload service's files and sockets, computed from the settings."""

from __future__ import annotations

from pathlib import Path

from servicekit.boot_number import boot_number

# The default name of a replica, for an installation with a single replica.
ALONE = "native"
UNDER_WAY = "under_way-"


class Folders:
    """Paths that are computed from four settings."""

    data: Path
    instance: str
    spool: str
    sockets: str

    @property
    def spool_folder(self) -> Path:
        """Return the folder in which the gateway stores bodies."""
        return Path(self.spool) if self.spool else self.data / "spool" / self.instance

    @property
    def instance_folder(self) -> Path:
        """Return the folder that only this replica writes; two writers would damage its files."""
        folder = self.data / "upload"
        return folder if self.instance == ALONE else folder / self.instance

    @property
    def key_file(self) -> Path:
        """Return the file of the issuer's public keys, which survives restarts."""
        return self.instance_folder / "jwks.json"

    @property
    def revocation_file(self) -> Path:
        """Return the file of entries from the feed of revocations, which survives restarts."""
        return self.instance_folder / "revocations.jsonl"

    @property
    def under_way_file(self) -> Path:
        """Return the file of the reservations of bodies under way, for SQLite.

        The file's name contains the number of the machine's boot, because no body survives a boot.
        """
        return self.data / "upload" / f"{UNDER_WAY}{boot_number()}.db"

    @property
    def resumable_folder(self) -> Path:
        """Return the folder of partial uploads."""
        return self.data / "resumable"

    @property
    def socket_folder(self) -> Path:
        """Return the folder of sockets, which gateway and service share."""
        return Path(self.sockets) if self.sockets else self.data / "run"

    @property
    def receiver_socket(self) -> Path:
        """Return the stream server's socket, to which the gateway sends bodies (`streaming`)."""
        return self.socket_folder / "receiver.sock"

    @property
    def notices_socket(self) -> Path:
        """Return the socket of the live process for notices, if they do not use Redis."""
        return self.socket_folder / "notices.sock"

    @property
    def follower_socket(self) -> Path:
        """Return the socket of the digest daemon (`hashing.daemon`)."""
        return self.socket_folder / "follower.sock"
