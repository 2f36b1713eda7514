"""The settings of auth; `servicekit.settings` reads them."""

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
#: Settings of earlier releases, which have no effect any more.
_RETIRED = (
    "WHARF_LOGIN_FAILURES_PER_CLIENT_PER_MINUTE",
    "WHARF_LOGIN_FAILURES_PER_ADDRESS_PER_MINUTE",
    "WHARF_LOGIN_FAILURES_PER_PERSON_PER_HOUR",
)


@dataclass(frozen=True)
class Settings:
    """All settings of auth; each is read from the environment variable `WHARF_<NAME>`."""

    data: Path = setting(doc="The folder of all data of Wharf.")  # noqa: RUF009 -- a field
    issuer: str = setting(
        "http://127.0.0.1:8080/auth",
        doc="The URL of this service as clients see it: the `iss` of all tokens, the base of all "
        "URLs.",
    )
    database_url: str = setting(
        "",
        secret=True,
        doc="`sqlite:///path` or `postgresql://…`. Empty: `auth/auth.db` in the data folder.",
    )
    keys: str = setting(
        "",
        doc="The folder of the signing keys, for example a mounted secret. Empty: `auth/keys` in "
        "the data folder.",
    )
    credentials: str = setting(
        "",
        doc="The file of the first credentials, which `wharf-auth init` reads or creates. Empty: "
        "`credentials.json` in the data folder.",
    )
    demo: bool = setting(True, doc="Whether `wharf-auth init` creates a tenant `demo`.")
    serve_prepares: bool = setting(
        True,
        doc=(
            "Whether `wharf-auth serve` (in containers) first does the work of `wharf-auth "
            "migrate` and `wharf-auth init`. Set it to `false` if separate jobs do this work."
        ),
    )
    token_ttl_seconds: int = setting(
        900,
        minimum=10,
        maximum=MAX_TOKEN_TTL_SECONDS,
        doc="The life of an access token, in seconds.",
    )
    ticket_ttl_seconds: int = setting(
        3600,
        minimum=10,
        maximum=MAX_TOKEN_TTL_SECONDS,
        doc="The longest life of an upload ticket, in seconds. A ticket without `expires_in` "
        "lives as long as an access token.",
    )
    live_token_ttl_seconds: int = setting(
        900,
        minimum=10,
        maximum=MAX_TOKEN_TTL_SECONDS,
        doc="The longest life of a token for the live channel (`audience=live`), in seconds.",
    )
    link_max_seconds: int = setting(
        7 * 24 * 3600,
        minimum=1,
        doc=(
            "The longest life of a signed link, in seconds; use the value of the upload "
            "service. For this time the feed keeps the entries about grants that the maker of "
            "a link has lost."
        ),
    )
    limits_url: str = setting(
        "",
        secret=True,
        doc="The place of the counters of rate limits, for example `redis://…`. Empty: uWSGI's "
        "shared cache.",
    )
    login_free_failures: int = setting(
        10,
        minimum=1,
        maximum=1000,
        doc="The number of failed logins of one client or person from one network (an IPv4 "
        "address, a /64 of IPv6) before the next login has to wait: 1 s, 2 s, 4 s ….",
    )
    login_longest_wait_seconds: int = setting(
        900,
        minimum=1,
        maximum=3600,
        doc=(
            "The longest wait after failed logins, in seconds. For a client the wait is at "
            "most 60 s."
        ),
    )
    login_network_accounts: int = setting(
        100,
        minimum=1,
        maximum=100_000,
        doc="The number of accounts that may fail to log in from one network within an hour. "
        "Persons who have logged in from this network within 30 days are exempt.",
    )
    session_lifetime_seconds: int = setting(
        30 * 24 * 3600,
        minimum=60,
        maximum=366 * 24 * 3600,
        doc="The longest life of a person's session after the login, in seconds.",
    )
    session_idle_seconds: int = setting(
        7 * 24 * 3600,
        minimum=60,
        maximum=366 * 24 * 3600,
        doc="The time without a refresh after which a person's session ends, in seconds.",
    )
    admin_requests_per_minute: int = setting(
        600,
        minimum=1,
        maximum=1_000_000,
        doc="The number of requests per minute of one client to auth with a token.",
    )
    tenant_max_clients: int = setting(
        1000,
        minimum=1,
        maximum=1_000_000,
        doc="The number of clients of a tenant that are not disabled. The same number of "
        "disabled clients stays in the list.",
    )
    tenant_max_users: int = setting(
        100_000,
        minimum=1,
        maximum=10_000_000,
        doc="The number of users of a tenant, disabled ones included.",
    )
    user_max_sessions: int = setting(
        100,
        minimum=1,
        maximum=10_000,
        doc="The number of sessions of one person. Another login ends the session that was not "
        "used for the longest time.",
    )
    tenant_max_grant_bytes: int = setting(
        4 << 20,
        minimum=0,
        maximum=1 << 40,
        doc="The number of bytes of all lists of grants of a tenant's users, clients and groups "
        "together. upload keeps these lists in memory.",
    )
    tenant_max_revocations: int = setting(
        200_000,
        minimum=1,
        maximum=100_000_000,
        doc=(
            "The number of entries of a tenant in the feed of revocations. If there are as "
            "many entries, auth refuses requests that would need another entry, until older "
            "entries expire."
        ),
    )
    tenant_max_audit_lines: int = setting(
        100_000,
        minimum=1,
        maximum=1_000_000_000,
        doc=(
            "The number of lines of the audit log about one tenant. If there are more lines, "
            "auth removes the oldest ones."
        ),
    )
    audit_retention_days: int = setting(
        400,
        minimum=1,
        maximum=36_500,
        doc="The number of days for which a line of the audit log is kept.",
    )
    tenant_grace_seconds: int = setting(
        7 * 24 * 3600,
        minimum=0,
        maximum=366 * 24 * 3600,
        doc="How long a deleted tenant can be resumed before all its data is removed.",
    )
    password_hashes_at_once: int = setting(
        1,
        minimum=1,
        maximum=64,
        doc=(
            "The number of secrets that auth verifies at the same time, at most 19. Each "
            "verification needs 7 MiB of memory."
        ),
    )
    durability: str = setting(
        "full",
        choices=("full", "relaxed"),
        doc="`full`: every acknowledged change survives a power failure. `relaxed`: no fsync, "
        "for temporary data.",
    )
    otlp_url: str = setting(
        "",
        doc="The address to which traces are sent by OTLP over HTTP, for example "
        "`http://collector:4318`. It needs the packages of `requirements/otel.txt`. Empty: "
        "OpenTelemetry's own variables decide; without them, no traces are sent.",
    )
    log_level: str = setting(
        "INFO",
        choices=("DEBUG", "INFO", "WARNING", "ERROR"),
        doc="The least severe level of log lines that are written.",
    )

    @property
    def gateway_url(self) -> str:
        """Return the URL of the gateway as clients see it: the issuer without its `/auth`."""
        return self.issuer.removesuffix("/auth")

    @property
    def tenant_limits(self) -> TenantLimits:
        """Return the limits of a tenant."""
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
        """Return the limits for failed login tries."""
        delays = LoginDelays(self.login_free_failures, self.login_longest_wait_seconds)
        return LoginLimits(delays, self.login_network_accounts)

    @property
    def tries_file(self) -> Path:
        """Return the path of the file for login tries; it is used if the database is SQLite."""
        return self.data / "auth" / f"{TRIES}{boot_number()}.db"

    @property
    def longest_token_seconds(self) -> int:
        """Return the longest life of a token in seconds, for which its signing key is needed."""
        return max(self.token_ttl_seconds, self.ticket_ttl_seconds, self.live_token_ttl_seconds)

    @property
    def keys_directory(self) -> Path:
        """Return the folder of the private keys."""
        return Path(self.keys) if self.keys else self.data / "auth" / "keys"

    @property
    def credentials_path(self) -> Path:
        """Return the path of the file where `wharf-auth init` writes the first credentials."""
        return Path(self.credentials) if self.credentials else self.data / "credentials.json"

    @property
    def effective_database_url(self) -> str:
        """Return the URL of the database, or its default."""
        return self.database_url or f"sqlite:///{self.data / 'auth' / 'auth.db'}"

    @property
    def effective_limits_url(self) -> str:
        """Return the URL of the store for rate limits, or its default."""
        # The module `uwsgi` exists only in processes of uWSGI.
        default = "uwsgi-cache://limits" if "uwsgi" in sys.modules else "memory://"
        return self.limits_url or default


def retired() -> list[str]:
    """Return the names of set environment variables that only earlier releases read."""
    return [name for name in _RETIRED if os.environ.get(name)]


def read() -> Settings:
    """Read the settings from the environment; raise `SettingsError` with a one-line message."""
    found = settings.read(Settings)
    parts = urlsplit(found.issuer)
    plain = not (parts.query or parts.fragment or parts.username or found.issuer.endswith("/"))
    if parts.scheme not in {"http", "https"} or not parts.hostname or not plain:
        # RFC 8414 section 2. A URL with a trailing slash would be a different issuer.
        raise SettingsError(
            f"WHARF_ISSUER={found.issuer!r}: allowed is an http or https URL without a query, "
            "a fragment and a slash at the end"
        )
    return found
