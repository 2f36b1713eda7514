"""Settings of the upload service; `docs/settings.md` is generated from them."""

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
from wharf_upload.job_settings import JobSettings
from wharf_upload.live_settings import AUTO, ON, LiveSettings
from wharf_upload.notices.places import REDIS, check_url, socket_place
from wharf_upload.room_settings import RoomSettings
from wharf_upload.row_settings import RowSettings
from wharf_upload.webhook_settings import WebhookSettings
from wharf_upload.worker_settings import WorkerSettings

FULL, RELAXED = "full", "relaxed"
FLOCK, DATABASE = "flock", "database"
_INSTANCE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
GIB = 1 << 30


@dataclass(frozen=True)
class Settings(
    LiveSettings,
    RowSettings,
    WebhookSettings,
    BlobSettings,
    RoomSettings,
    WorkerSettings,
    JobSettings,
    Folders,
):
    """The settings that the upload service, its worker and the live channel read.

    The values come from environment variables.
    """

    data: Path = setting(doc="The folder of all data.")  # noqa: RUF009 -- as for all others
    issuer: str = setting(
        "http://127.0.0.1:8080/auth", doc="The `iss` that access tokens must contain."
    )
    jwks_url: str = setting(
        "http://127.0.0.1:8080/.well-known/jwks.json",
        doc="The address from which the issuer's public keys are fetched.",
    )
    feed_url: str = setting(
        "http://127.0.0.1:8081/feed",
        doc="The address of the feed of revocations, which the service follows: the gateway's "
        "internal port.",
    )
    nginx_status_url: str = setting(
        "",
        doc="The address of nginx's `stub_status`, for metrics. Empty: `/nginx_status` at the "
        "host and port of `WHARF_FEED_URL`.",
    )
    database_url: str = setting(
        "",
        doc="`sqlite:///path` or `postgresql://…`. Empty: SQLite in `WHARF_DATA/upload/upload.db`.",
        secret=True,
    )
    limits_url: str = setting(
        "uwsgi-cache://limits",
        doc="The place of the counters of requests: `uwsgi-cache://limits`, `redis://…` or "
        "`memory://`.",
        secret=True,
    )
    notices_url: str = setting(
        "",
        doc=(
            "The Redis through which the live channel is notified of new events immediately: "
            "`redis://…`. Empty: the Redis of `WHARF_LIMITS_URL`; if that is no Redis, a unix "
            "socket in `WHARF_SOCKETS`."
        ),
        secret=True,
    )
    leases: str = setting(
        AUTO,
        doc="The mechanism that allows only one writer for a resumable upload. `flock`: file "
        "locks, for one replica. `database`: rows, for several replicas on one PostgreSQL. "
        "`auto`: `database` with PostgreSQL, otherwise `flock`.",
        choices=(AUTO, FLOCK, DATABASE),
    )
    durability: str = setting(
        FULL,
        doc="`full`: every file with a 201 survives a power failure. `relaxed`: no fsync, for "
        "temporary data.",
        choices=(FULL, RELAXED),
    )
    instance: str = setting(
        ALONE,
        doc=(
            "The name of this replica and of the gateway next to it, unique in the "
            "installation: a-z, 0-9 and '-'. A separate worker has its own name or the name of"
            " a replica (docs/scaling.md)."
        ),
    )
    spool: str = setting(
        "",
        doc="The folder in which the gateway next to this process spools bodies. It must be on "
        "the file system of `WHARF_DATA`. Empty: `WHARF_DATA/spool/<WHARF_INSTANCE>`.",
    )
    sockets: str = setting(
        "", doc="The folder of unix sockets between processes. Empty: `WHARF_DATA/run`."
    )
    max_file_bytes: int = setting(
        100 * GIB, doc="The largest file, in bytes.", minimum=1, maximum=1 << 50
    )
    tenant_requests_per_minute: int = setting(
        60_000, doc="The number of requests of one tenant per minute.", minimum=1
    )
    client_requests_per_minute: int = setting(
        30_000, doc="The number of requests of one client of a tenant per minute.", minimum=1
    )
    tenant_max_bytes: int = setting(
        1 << 40,
        doc="The number of bytes that a tenant without a configured limit may store. 0: no limit.",
        minimum=0,
    )
    tenant_max_files: int = setting(
        100_000_000,
        doc="The number of files that a tenant without a configured limit may store. 0: no limit.",
        minimum=0,
    )
    tenant_max_file_bytes: int = setting(
        0,
        doc="The largest file, in bytes, of a tenant without a configured limit. 0: only "
        "`WHARF_MAX_FILE_BYTES` applies.",
        minimum=0,
    )
    tenant_bytes_per_minute: int = setting(
        0,
        doc="The number of bytes that a tenant without a configured limit may send per minute. "
        "0: no limit.",
        minimum=0,
    )
    tenant_concurrent_uploads: int = setting(
        0,
        doc="The number of concurrent uploads that nginx spools for a tenant without a "
        "configured limit: 1, 2, 4, 8, 16, 32, 64 or 128. 0: no limit.",
        minimum=0,
        maximum=128,
    )
    quota_warning_percent: int = setting(
        90,
        doc="The share of a tenant's quota, in percent, at which an event `quota.warning` is "
        "recorded.",
        minimum=1,
        maximum=100,
    )
    receivers: tuple[str, ...] = setting(
        (),
        doc="Python modules, separated by commas, that the service and its worker import at "
        "startup: receivers of signals (docs/how-to/react-to-uploads.md).",
    )
    max_form_files: int = setting(
        100, doc="The number of files in one multipart form.", minimum=1, maximum=10_000
    )
    event_seconds: int = setting(
        90 * 24 * 3600,
        doc=(
            "How long Wharf keeps events, in seconds. A program that reads events must read "
            "more often."
        ),
        minimum=3600,
    )
    lease_seconds: int = setting(
        24 * 3600,
        doc=(
            "The longest time that a request may take, in seconds. The sweeper removes "
            "leftovers in spool, staging or store that are older than this time and have no "
            "row."
        ),
        minimum=1,
    )
    long_work_threads: int = setting(
        0,
        doc="The number of threads for long work: hashing large files, taking forms apart, "
        "joining uploads, sending files to an object store. Tenants take turns in these "
        "threads, and one tenant has at most half of them. 0: 4 threads, or 16 with an "
        "object store.",
        minimum=0,
        maximum=256,
    )
    replica_lost_seconds: int = setting(
        300,
        doc=(
            "The time, in seconds, after which a silent replica counts as dead. The sweeper "
            "then removes bodies in the replica's spool that are at least this old."
        ),
        minimum=30,
    )
    upload_expiry_seconds: int = setting(
        24 * 3600,
        doc="How long a resumable upload is kept after its last bytes were received, in seconds.",
        minimum=60,
    )
    stream_grace_seconds: int = setting(
        5,
        doc=(
            "How long requests with bytes of resumable uploads may continue when the service "
            "stops or restarts, in seconds. When this time has passed, the service closes the "
            "connections, and the clients continue from the offset of the upload."
        ),
        minimum=0,
        maximum=60,
    )
    deleted_grace_seconds: int = setting(
        60,
        doc="How long the bytes of a deleted or replaced file stay on disk, in seconds, so that "
        "downloads that have started can end.",
        minimum=0,
    )
    serve_prepares: bool = setting(
        True,
        doc=(
            "Whether `wharf-upload serve` (in containers) first does the work of `wharf-upload"
            " migrate`. Set it to `false` if a separate job does this work."
        ),
    )
    link_max_seconds: int = setting(
        7 * 24 * 3600, doc="The longest life of a signed link, in seconds.", minimum=1
    )
    content_origin: str = setting(
        "",
        doc="A separate origin for signed links and public files, for example "
        "`https://files.example.net`. Its name must lead to the same gateway. Empty: links "
        "and public files are on the main host.",
    )
    metrics_tenants: int = setting(
        20,
        doc="The number of tenants with their own label in the metrics. All other tenants are "
        "`(other)`.",
        minimum=0,
        maximum=1000,
    )
    otlp_url: str = setting(
        "",
        doc="The address to which traces are sent by OTLP over HTTP, for example "
        "`http://collector:4318`. It needs the packages of `requirements/otel.txt`. Empty: "
        "OpenTelemetry's own variables decide; without them, no traces are sent.",
    )
    log_level: str = setting(
        "INFO",
        doc="The least severe level of log lines that are written.",
        choices=("DEBUG", "INFO", "WARNING", "ERROR"),
    )

    def __post_init__(self) -> None:
        """Raise `SettingsError` for a wrong or contradictory setting.

        The instance name is part of paths, so only a few characters are allowed.
        """
        if not _INSTANCE.fullmatch(self.instance):
            raise SettingsError(
                f"WHARF_INSTANCE={self.instance!r}: allowed are up to 63 characters of a-z, 0-9 "
                "and '-'; the first character must not be '-'"
            )
        self.check_blobs()
        self.check_webhooks()
        self.check_apart(self.database_url)
        self.check_jobs(self.limits_url)
        check_url("WHARF_NOTICES_URL", self.notices_url)

    @property
    def tenant_limits(self) -> Limits:
        """Return the limits of tenants without their own limits; `None` is no limit."""
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
        """Return the quota that the records enforce for tenants without their own limits."""
        return Quota(
            max_bytes=self.tenant_limits.max_bytes,
            max_files=self.tenant_limits.max_files,
            warning_percent=self.quota_warning_percent,
            rows=self.row_limits,
        )

    @property
    def durable(self) -> bool:
        """Tell whether a file survives a power cut once the client has got 201."""
        return self.durability == FULL

    @property
    def effective_database_url(self) -> str:
        """Return the URL of the database, by default SQLite in the data folder."""
        return self.database_url or f"sqlite:///{self.data / 'upload' / 'upload.db'}"

    @property
    def effective_long_work_threads(self) -> int:
        """Return the number of threads for long work.

        The default is larger with an object store, because threads that send files mostly wait.
        """
        return self.long_work_threads or (16 if self.blob_url else 4)

    @property
    def leases_are_shared(self) -> bool:
        """Tell whether other replicas may write to the same resumable uploads."""
        if self.leases == AUTO:
            return not self.effective_database_url.startswith("sqlite:")
        return self.leases == DATABASE

    @property
    def effective_nginx_status_url(self) -> str:
        """Return the URL of nginx's `stub_status`, by default next to the feed."""
        return self.nginx_status_url or f"{self.feed_url.rpartition('/')[0]}/nginx_status"

    @property
    def notices_place(self) -> str:
        """Return the place of notices, in the form of `notices.places`."""
        if self.notices_url or self.limits_url.startswith(REDIS):
            return self.notices_url or self.limits_url
        return socket_place(self.notices_socket)

    @property
    def effective_live_socket(self) -> str:
        """Return the address of the live channel, by default a socket in the socket folder."""
        return self.live_socket or str(self.socket_folder / "live.sock")

    @property
    def live_takes_polling(self) -> bool:
        """Tell whether live clients may use HTTP long-polling."""
        if self.live_polling == AUTO:
            return not self.notices_place.startswith(REDIS)
        return self.live_polling == ON
