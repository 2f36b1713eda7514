"""Settings of the upload service; see `docs/settings.md`, which is made from this file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from servicekit.settings import setting

FULL, RELAXED = "full", "relaxed"
GIB = 1 << 30


@dataclass(frozen=True)
class Settings:
    """What the upload service and its worker read from the environment."""

    data: Path = setting(doc="Folder of all data.")  # noqa: RUF009 -- as for all others
    issuer: str = setting(
        "http://127.0.0.1:8080/auth", doc="The `iss` that access tokens must carry."
    )
    jwks_url: str = setting(
        "http://127.0.0.1:8080/.well-known/jwks.json",
        doc="Where the issuer's public keys are fetched from.",
    )
    database_url: str = setting(
        "",
        doc="`sqlite:///path` or `postgresql://…`; empty: SQLite in `WHARF_DATA/upload/upload.db`.",
        secret=True,
    )
    limits_url: str = setting(
        "uwsgi-cache://limits",
        doc="Where requests are counted: `uwsgi-cache://limits`, `redis://…` or `memory://`.",
        secret=True,
    )
    durability: str = setting(
        FULL,
        doc="`full`: every 201 survives a power cut. `relaxed`: no fsync, for scratch data.",
        choices=(FULL, RELAXED),
    )
    spool: str = setting(
        "",
        doc="Folder in which the gateway beside this process spools bodies; on the filesystem of "
        "`WHARF_DATA`. Empty: `WHARF_DATA/spool/native`.",
    )
    sockets: str = setting(
        "", doc="Folder of unix sockets between processes. Empty: `WHARF_DATA/run`."
    )
    max_file_bytes: int = setting(
        100 * GIB, doc="Largest file, in bytes.", minimum=1, maximum=1 << 50
    )
    disk_reserve_bytes: int = setting(
        64 << 20,
        doc="Free space, in bytes, that an upload must leave on the disk.",
        minimum=0,
    )
    tenant_requests_per_minute: int = setting(
        60_000, doc="Requests of one tenant, per minute.", minimum=1
    )
    client_requests_per_minute: int = setting(
        30_000, doc="Requests of one client of a tenant, per minute.", minimum=1
    )
    max_form_files: int = setting(
        100, doc="Files in one multipart form.", minimum=1, maximum=10_000
    )
    idempotency_seconds: int = setting(
        24 * 3600, doc="How long an `Idempotency-Key` is remembered, in seconds.", minimum=60
    )
    lease_seconds: int = setting(
        24 * 3600,
        doc="Longest time a request may take, in seconds; what is left over in spool, staging or "
        "store without a record is swept when it is older.",
        minimum=1,
    )
    deleted_grace_seconds: int = setting(
        60,
        doc="How long the bytes of a deleted or replaced file stay on disk, in seconds, so that "
        "downloads that have begun can end.",
        minimum=0,
    )
    sweep_seconds: int = setting(
        60, doc="Pause between two runs of the worker's sweeper, in seconds.", minimum=1
    )
    log_level: str = setting(
        "INFO", doc="Least severe log level.", choices=("DEBUG", "INFO", "WARNING", "ERROR")
    )

    @property
    def durable(self) -> bool:
        """Whether a 201 survives a power cut."""
        return self.durability == FULL

    @property
    def effective_database_url(self) -> str:
        """The database, with the default filled in."""
        return self.database_url or f"sqlite:///{self.data / 'upload' / 'upload.db'}"

    @property
    def spool_folder(self) -> Path:
        """Where the gateway's spool files lie."""
        return Path(self.spool) if self.spool else self.data / "spool" / "native"

    @property
    def key_file(self) -> Path:
        """The issuer's public keys, kept over restarts."""
        return self.data / "upload" / "jwks.json"

    @property
    def follower_socket(self) -> Path:
        """Where the digest follower listens; see `following`."""
        folder = Path(self.sockets) if self.sockets else self.data / "run"
        return folder / "follower.sock"
