"""The settings of the auth service; see `servicekit.settings` for how they are read."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from servicekit import settings
from servicekit.boot_number import boot_number
from servicekit.settings import SettingsError, setting
from wharf_auth.domain.limits import TenantLimits
from wharf_auth.domain.login_delays import LoginDelays, LoginLimits
from wharf_auth.domain.tokens import MAX_TOKEN_TTL_SECONDS

TRIES = "tries-"
#: Of releases before; they mean nothing any more.
_RETIRED = (
    "WHARF_LOGIN_FAILURES_PER_CLIENT_PER_MINUTE",
    "WHARF_LOGIN_FAILURES_PER_ADDRESS_PER_MINUTE",
    "WHARF_LOGIN_FAILURES_PER_PERSON_PER_HOUR",
)


@dataclass(frozen=True)
class Settings:
    """All settings; each is the variable `WHARF_<NAME>`."""

    data: Path = setting(doc="the directory that holds all data of Wharf")  # noqa: RUF009 -- a field
    issuer: str = setting(
        "http://127.0.0.1:8080/auth",
        doc="URL of this service as clients see it: the `iss` of all tokens, the base of all URLs",
    )
    database_url: str = setting(
        "",
        secret=True,
        doc="`sqlite:///path` or `postgresql://…`; empty means `auth/auth.db` below the data",
    )
    keys: str = setting(
        "", doc="folder of the signing keys, e.g. a secret's; empty means `auth/keys` in the data"
    )
    credentials: str = setting(
        "",
        doc="file of the first credentials, which `wharf-auth init` reads or makes; empty means "
        "`credentials.json` in the data",
    )
    demo: bool = setting(True, doc="whether `wharf-auth init` makes a tenant `demo`")
    serve_prepares: bool = setting(
        True,
        doc="whether `wharf-auth serve`, in containers, first does what `migrate` and `init` do; "
        "`false` where jobs do it",
    )
    token_ttl_seconds: int = setting(
        900, minimum=10, maximum=MAX_TOKEN_TTL_SECONDS, doc="life of an access token in seconds"
    )
    ticket_ttl_seconds: int = setting(
        3600,
        minimum=10,
        maximum=MAX_TOKEN_TTL_SECONDS,
        doc="longest life of an upload ticket in seconds; without `expires_in` it is a token's",
    )
    live_token_ttl_seconds: int = setting(
        900,
        minimum=10,
        maximum=MAX_TOKEN_TTL_SECONDS,
        doc="longest life of a token for the live channel (`audience=live`) in seconds",
    )
    link_max_seconds: int = setting(
        7 * 24 * 3600,
        minimum=1,
        doc="longest time a signed link may live, in seconds, as upload has it: so long the feed "
        "says what the maker of a link may not read any more",
    )
    limits_url: str = setting(
        "",
        secret=True,
        doc="where rate limits are counted, e.g. `redis://…`; empty means uWSGI's shared cache",
    )
    login_free_failures: int = setting(
        10,
        minimum=1,
        maximum=1000,
        doc="failed logins of one client or person from one network (an IPv4 address, a /64 of "
        "IPv6) before the next one has to wait: 1 s, 2 s, 4 s …",
    )
    login_longest_wait_seconds: int = setting(
        900,
        minimum=1,
        maximum=3600,
        doc="longest of these waits in seconds; a client's is at most 60",
    )
    login_network_accounts: int = setting(
        100,
        minimum=1,
        maximum=100_000,
        doc="accounts that may fail to log in from one network within an hour; persons who have "
        "logged in from there within 30 days do not need this room",
    )
    session_lifetime_seconds: int = setting(
        30 * 24 * 3600,
        minimum=60,
        maximum=366 * 24 * 3600,
        doc="a person's session ends so long after the login, in seconds",
    )
    session_idle_seconds: int = setting(
        7 * 24 * 3600,
        minimum=60,
        maximum=366 * 24 * 3600,
        doc="a person's session ends when it was not refreshed for so long, in seconds",
    )
    admin_requests_per_minute: int = setting(
        600, minimum=1, maximum=1_000_000, doc="requests of one client to the routes for tenants"
    )
    tenant_max_clients: int = setting(
        1000,
        minimum=1,
        maximum=1_000_000,
        doc="clients of a tenant that are not disabled; of disabled ones as many stay in the list",
    )
    tenant_max_users: int = setting(
        100_000, minimum=1, maximum=10_000_000, doc="users of a tenant, disabled ones included"
    )
    user_max_sessions: int = setting(
        100,
        minimum=1,
        maximum=10_000,
        doc="sessions of one person; another login ends the one that was used longest ago",
    )
    tenant_max_grant_bytes: int = setting(
        4 << 20,
        minimum=0,
        maximum=1 << 40,
        doc="bytes that all lists of grants of a tenant's users, clients and groups have together: "
        "upload keeps them in memory",
    )
    tenant_max_revocations: int = setting(
        200_000,
        minimum=1,
        maximum=100_000_000,
        doc="entries of a tenant in the feed of revocations; above it nothing is made or revoked "
        "whose end would be another entry, until older ones lapse",
    )
    tenant_max_audit_lines: int = setting(
        100_000,
        minimum=1,
        maximum=1_000_000_000,
        doc="lines of the audit log about one tenant; the oldest go first",
    )
    audit_retention_days: int = setting(
        400, minimum=1, maximum=36_500, doc="days for which a line of the audit log is kept"
    )
    tenant_grace_seconds: int = setting(
        7 * 24 * 3600,
        minimum=0,
        maximum=366 * 24 * 3600,
        doc="how long a deleted tenant can be resumed before everything of it is removed",
    )
    password_hashes_at_once: int = setting(
        1,
        minimum=1,
        maximum=64,
        doc="secrets verified at once, 19 at most; each takes 7 MiB of memory",
    )
    durability: str = setting(
        "full",
        choices=("full", "relaxed"),
        doc="`full`: what was answered survives a power cut; `relaxed`: no fsync, for scratch data",
    )
    otlp_url: str = setting(
        "",
        doc="Where traces are sent by OTLP over HTTP, e.g. `http://collector:4318`; needs the "
        "packages of `requirements/otel.txt`. Empty: as OpenTelemetry's own variables say, else "
        "no traces.",
    )
    log_level: str = setting(
        "INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"), doc="least level that is logged"
    )

    @property
    def gateway_url(self) -> str:
        """URL of the gateway as clients see it: the issuer without its `/auth`."""
        return self.issuer.removesuffix("/auth")

    @property
    def tenant_limits(self) -> TenantLimits:
        """How much a tenant may have here."""
        return TenantLimits(
            clients=self.tenant_max_clients,
            users=self.tenant_max_users,
            sessions=self.user_max_sessions,
            grant_bytes=self.tenant_max_grant_bytes,
            revocations=self.tenant_max_revocations,
            audit_lines=self.tenant_max_audit_lines,
        )

    @property
    def login_limits(self) -> LoginLimits:
        """How often a secret may be tried in vain."""
        delays = LoginDelays(self.login_free_failures, self.login_longest_wait_seconds)
        return LoginLimits(delays, self.login_network_accounts)

    @property
    def tries_file(self) -> Path:
        """The file of tries of secrets, where the database is SQLite."""
        return self.data / "auth" / f"{TRIES}{boot_number()}.db"

    @property
    def longest_token_seconds(self) -> int:
        """The longest life of any token: so long its key is needed."""
        return max(self.token_ttl_seconds, self.ticket_ttl_seconds, self.live_token_ttl_seconds)

    @property
    def keys_directory(self) -> Path:
        """Where the private keys lie."""
        return Path(self.keys) if self.keys else self.data / "auth" / "keys"

    @property
    def credentials_path(self) -> Path:
        """Where `wharf-auth init` leaves the first credentials."""
        return Path(self.credentials) if self.credentials else self.data / "credentials.json"

    @property
    def effective_database_url(self) -> str:
        """The database's URL with its default filled in."""
        return self.database_url or f"sqlite:///{self.data / 'auth' / 'auth.db'}"

    @property
    def effective_limits_url(self) -> str:
        """The URL of the limits' storage with its default filled in."""
        # The module `uwsgi` exists inside uWSGI's processes only.
        default = "uwsgi-cache://limits" if "uwsgi" in sys.modules else "memory://"
        return self.limits_url or default


def retired() -> list[str]:
    """The variables of the environment that an earlier release has read."""
    return [name for name in _RETIRED if os.environ.get(name)]


def read() -> Settings:
    """The settings in the environment; raises `SettingsError` with one line for the operator."""
    found = settings.read(Settings)
    parts = urlsplit(found.issuer)
    plain = not (parts.query or parts.fragment or parts.username or found.issuer.endswith("/"))
    if parts.scheme not in {"http", "https"} or not parts.hostname or not plain:
        # RFC 8414 section 2; a trailing slash would make two issuers of one.
        raise SettingsError(
            f"WHARF_ISSUER={found.issuer!r}: allowed is an http or https URL without a query, "
            "a fragment and a slash at the end"
        )
    return found
