"""Where files and sockets of the upload service lie; the settings name the roots."""

from __future__ import annotations

from pathlib import Path

from servicekit.boot_number import boot_number

# The name of the one replica that needs no name.
ALONE = "native"
UNDER_WAY = "under_way-"


class Folders:
    """Paths that follow from four settings."""

    data: Path
    instance: str
    spool: str
    sockets: str

    @property
    def spool_folder(self) -> Path:
        """Where the gateway's spool files lie."""
        return Path(self.spool) if self.spool else self.data / "spool" / self.instance

    @property
    def instance_folder(self) -> Path:
        """What this replica alone writes: two that wrote one file would spoil it."""
        folder = self.data / "upload"
        return folder if self.instance == ALONE else folder / self.instance

    @property
    def key_file(self) -> Path:
        """The issuer's public keys, kept over restarts."""
        return self.instance_folder / "jwks.json"

    @property
    def revocation_file(self) -> Path:
        """What was heard of the feed of revocations, kept over restarts."""
        return self.instance_folder / "revocations.jsonl"

    @property
    def under_way_file(self) -> Path:
        """The file of reservations for bodies under way, where the database is SQLite."""
        return self.data / "upload" / f"{UNDER_WAY}{boot_number()}.db"

    @property
    def resumable_folder(self) -> Path:
        """Where the files of resumable uploads grow."""
        return self.data / "resumable"

    @property
    def socket_folder(self) -> Path:
        """What gateway and service share beside the data."""
        return Path(self.sockets) if self.sockets else self.data / "run"

    @property
    def receiver_socket(self) -> Path:
        """Where the gateway streams bodies to; see `receiver`."""
        return self.socket_folder / "receiver.sock"

    @property
    def notices_socket(self) -> Path:
        """Where the live process hears what is new, if not by Redis; see `notices`."""
        return self.socket_folder / "notices.sock"

    @property
    def follower_socket(self) -> Path:
        """Where the digest daemon listens; see `hashing.daemon`."""
        return self.socket_folder / "follower.sock"
