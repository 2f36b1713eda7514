"""Settings of the upload service; see `docs/settings.md`, which is made from this file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from servicekit.settings import SettingsError, setting
from wharf_upload.blob_settings import BlobSettings
from wharf_upload.domain.quotas import Quota
from wharf_upload.domain.tenant_limits import Limits
from wharf_upload.folders import ALONE as ALONE
from wharf_upload.folders import Folders
from wharf_upload.live_settings import AUTO, ON, LiveSettings
from wharf_upload.notices.places import REDIS, socket_place
from wharf_upload.room_settings import RoomSettings
from wharf_upload.row_settings import RowSettings

FULL, RELAXED = "full", "relaxed"
FLOCK, DATABASE = "flock", "database"
_INSTANCE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
GIB = 1 << 30


@dataclass(frozen=True)
class Settings(LiveSettings, RowSettings, BlobSettings, RoomSettings, Folders):
    """What the upload service and its worker read from the environment."""

    data: Path = setting(doc="Folder of all data.")  # noqa: RUF009 -- as for all others
    issuer: str = setting(
        "http://127.0.0.1:8080/auth", doc="The `iss` that access tokens must carry."
    )
    jwks_url: str = setting(
        "http://127.0.0.1:8080/.well-known/jwks.json",
        doc="Where the issuer's public keys are fetched from.",
    )
    feed_url: str = setting(
        "http://127.0.0.1:8081/feed",
        doc="Where revocations and suspensions are followed: the gateway's internal port.",
    )
    nginx_status_url: str = setting(
        "",
        doc="Where nginx's `stub_status` is asked for metrics. Empty: `/nginx_status` where "
        "`WHARF_FEED_URL` is.",
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
    notices_url: str = setting(
        "",
        doc="The Redis by which the live channel is told at once what is new: `redis://…`. Empty: "
        "that of `WHARF_LIMITS_URL` if there is one, else a unix socket in `WHARF_SOCKETS`.",
        secret=True,
    )
    leases: str = setting(
        AUTO,
        doc="What makes sure that a resumable upload has one writer. `flock`: file locks, for one "
        "replica. `database`: rows, for several replicas on one PostgreSQL. `auto`: `database` "
        "with PostgreSQL, else `flock`.",
        choices=(AUTO, FLOCK, DATABASE),
    )
    durability: str = setting(
        FULL,
        doc="`full`: every 201 survives a power cut. `relaxed`: no fsync, for scratch data.",
        choices=(FULL, RELAXED),
    )
    instance: str = setting(
        ALONE,
        doc="Name of this replica and of the gateway beside it, among all that share `WHARF_DATA`: "
        "a-z, 0-9 and '-'. The worker has one of its own or a replica's (docs/scaling.md).",
    )
    spool: str = setting(
        "",
        doc="Folder in which the gateway beside this process spools bodies; on the filesystem of "
        "`WHARF_DATA`. Empty: `WHARF_DATA/spool/<WHARF_INSTANCE>`.",
    )
    sockets: str = setting(
        "", doc="Folder of unix sockets between processes. Empty: `WHARF_DATA/run`."
    )
    max_file_bytes: int = setting(
        100 * GIB, doc="Largest file, in bytes.", minimum=1, maximum=1 << 50
    )
    tenant_requests_per_minute: int = setting(
        60_000, doc="Requests of one tenant, per minute.", minimum=1
    )
    client_requests_per_minute: int = setting(
        30_000, doc="Requests of one client of a tenant, per minute.", minimum=1
    )
    tenant_max_bytes: int = setting(
        1 << 40,
        doc="Bytes that a tenant may store for whom nothing else is set; 0 is no limit.",
        minimum=0,
    )
    tenant_max_files: int = setting(
        100_000_000,
        doc="Files that a tenant may store for whom nothing else is set; 0 is no limit.",
        minimum=0,
    )
    tenant_max_file_bytes: int = setting(
        0,
        doc="Largest file, in bytes, of a tenant for whom nothing else is set; 0 is no limit below "
        "`WHARF_MAX_FILE_BYTES`.",
        minimum=0,
    )
    tenant_bytes_per_minute: int = setting(
        0,
        doc="Bytes that a tenant may send per minute for whom nothing else is set; 0 is no limit.",
        minimum=0,
    )
    tenant_concurrent_uploads: int = setting(
        0,
        doc="Uploads on the spooled way that a tenant may have under way at the same time for whom "
        "nothing else is set: 1, 2, 4, 8, 16, 32, 64 or 128; 0 is no limit.",
        minimum=0,
        maximum=128,
    )
    quota_warning_percent: int = setting(
        90,
        doc="Part of a tenant's quota, in percent, whose use is told by an event `quota.warning`.",
        minimum=1,
        maximum=100,
    )
    receivers: tuple[str, ...] = setting(
        (),
        doc="Python modules, separated by commas, that the service and its worker import at their "
        "start: receivers of signals (docs/how-to/react-to-uploads.md).",
    )
    max_form_files: int = setting(
        100, doc="Files in one multipart form.", minimum=1, maximum=10_000
    )
    event_seconds: int = setting(
        90 * 24 * 3600,
        doc="How long events are kept, in seconds; who reads them has to come more often.",
        minimum=3600,
    )
    lease_seconds: int = setting(
        24 * 3600,
        doc="Longest time a request may take, in seconds; what is left over in spool, staging or "
        "store without a record is swept when it is older.",
        minimum=1,
    )
    long_work_threads: int = setting(
        0,
        doc="Threads of the service for long work: hashing large files, taking forms apart, "
        "joining uploads, sending files to an object store. Tenants take turns in them, and one "
        "tenant has at most half. 0: 4, or 16 with an object store.",
        minimum=0,
        maximum=256,
    )
    replica_lost_seconds: int = setting(
        300,
        doc="A replica of which nothing was heard for so long, in seconds, is taken for dead: "
        "bodies in its spool that are as old are swept.",
        minimum=30,
    )
    upload_expiry_seconds: int = setting(
        24 * 3600,
        doc="How long a resumable upload is kept after its last bytes, in seconds.",
        minimum=60,
    )
    stream_grace_seconds: int = setting(
        5,
        doc="How long requests that bring bytes of resumable uploads may go on when the service "
        "stops or restarts, in seconds; then their connections are closed, and their clients go "
        "on from the offset.",
        minimum=0,
        maximum=60,
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
    upload_worker: bool = setting(
        False,
        doc="Whether the service does the background work itself; if not, run "
        "`wharf-upload worker` beside it. The native runner says yes.",
    )
    serve_prepares: bool = setting(
        True,
        doc="Whether `wharf-upload serve`, in containers, first does what `migrate` does; `false` "
        "where a job does it.",
    )
    link_max_seconds: int = setting(
        7 * 24 * 3600, doc="Longest time a signed link may live, in seconds.", minimum=1
    )
    content_origin: str = setting(
        "",
        doc="An origin of its own for signed links and public files, e.g. "
        "`https://files.example.net`; its name has to lead to the same gateway. Empty: they are "
        "on the main host.",
    )
    worker_metrics_port: int = setting(
        0,
        doc="Port on which `wharf-upload worker` shows its metrics, on all addresses: for "
        "Prometheus alone. 0: none. A worker within the service shows them with the service's.",
        minimum=0,
        maximum=65535,
    )
    metrics_tenants: int = setting(
        20,
        doc="Tenants with a label of their own in the metrics; all others are `(other)`.",
        minimum=0,
        maximum=1000,
    )
    otlp_url: str = setting(
        "",
        doc="Where traces are sent by OTLP over HTTP, e.g. `http://collector:4318`; needs the "
        "packages of `requirements/otel.txt`. Empty: as OpenTelemetry's own variables say, else "
        "no traces.",
    )
    log_level: str = setting(
        "INFO", doc="Least severe log level.", choices=("DEBUG", "INFO", "WARNING", "ERROR")
    )

    def __post_init__(self) -> None:
        """The name stands in paths."""
        if not _INSTANCE.fullmatch(self.instance):
            raise SettingsError(
                f"WHARF_INSTANCE={self.instance!r}: allowed are up to 63 characters of a-z, 0-9 "
                "and '-', the first of them no '-'"
            )
        self.check_blobs()
        self.check_apart(self.database_url)
        if self.notices_url and not self.notices_url.startswith(REDIS):
            raise SettingsError(f"WHARF_NOTICES_URL=(hidden): allowed are {', '.join(REDIS)}")

    @property
    def tenant_limits(self) -> Limits:
        """What holds for tenants for whom nothing else is set; `None` is no limit."""
        return Limits(
            max_bytes=self.tenant_max_bytes or None,
            max_files=self.tenant_max_files or None,
            max_file_bytes=self.tenant_max_file_bytes or None,
            requests_per_minute=self.tenant_requests_per_minute,
            client_requests_per_minute=self.client_requests_per_minute,
            bytes_per_minute=self.tenant_bytes_per_minute or None,
            concurrent_uploads=self.tenant_concurrent_uploads or None,
        )

    @property
    def quota(self) -> Quota:
        """What the records hold tenants to for whom nothing else is set."""
        return Quota(
            max_bytes=self.tenant_limits.max_bytes,
            max_files=self.tenant_limits.max_files,
            warning_percent=self.quota_warning_percent,
            rows=self.row_limits,
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
    def effective_long_work_threads(self) -> int:
        """Threads for long work, with the default filled in: sending is mostly waiting."""
        return self.long_work_threads or (16 if self.blob_url else 4)

    @property
    def leases_are_shared(self) -> bool:
        """Whether other replicas may work on the same resumable uploads."""
        if self.leases == AUTO:
            return not self.effective_database_url.startswith("sqlite:")
        return self.leases == DATABASE

    @property
    def effective_nginx_status_url(self) -> str:
        """nginx's own counters, with the default filled in."""
        return self.nginx_status_url or f"{self.feed_url.rpartition('/')[0]}/nginx_status"

    @property
    def notices_place(self) -> str:
        """Where notices go, as `notices.places` names it."""
        if self.notices_url or self.limits_url.startswith(REDIS):
            return self.notices_url or self.limits_url
        return socket_place(self.notices_socket)

    @property
    def effective_live_socket(self) -> str:
        """Where the live channel listens, with the default filled in."""
        return self.live_socket or str(self.socket_folder / "live.sock")

    @property
    def live_takes_polling(self) -> bool:
        """Whether live clients may come by HTTP long-polling."""
        if self.live_polling == AUTO:
            return not self.notices_place.startswith(REDIS)
        return self.live_polling == ON
