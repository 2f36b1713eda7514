"""The settings of the console; see `servicekit.settings` for how they are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from servicekit import settings
from servicekit.settings import SettingsError, setting
from wharf_console import doors


@dataclass(frozen=True)
class Settings:
    """All settings; each is the variable `WHARF_<NAME>`."""

    data: Path = setting(doc="The folder of all data of Wharf.")  # noqa: RUF009 -- a field
    console_door: str = setting(
        "",
        doc=(
            "The address of the gateway's console door, with the PROXY protocol: the path of a"
            " unix socket, or `host:port`. For several gateways, name several addresses, "
            "separated by commas. Empty: `run/console-door.sock` in the data folder."
        ),
    )
    console_sessions: str = setting(
        "file",
        secret=True,
        doc="The place of the console's sessions: `file` (in `console/` of the data folder), or "
        "`redis://…` (with `noeviction`), which several consoles can share.",
    )
    console_session_seconds: int = setting(
        30 * 24 * 3600,
        minimum=60,
        maximum=366 * 24 * 3600,
        doc="The time without use after which a session of the console ends, in seconds. It "
        "should be at least `WHARF_SESSION_IDLE_SECONDS`.",
    )
    console_examples: bool = setting(
        False, doc="Whether `/console/examples/` shows the example pages of upload tutorials."
    )
    ticket_ttl_seconds: int = setting(
        3600,
        minimum=10,
        maximum=24 * 3600,
        doc="The longest life of an upload ticket, in seconds; use the value of auth. The page "
        "that creates tickets offers at most this time.",
    )
    issuer: str = setting(
        "http://127.0.0.1:8080/auth",
        doc="The URL of auth as clients see it. If its scheme is `https`, browsers use HTTPS.",
    )
    content_origin: str = setting(
        "", doc="The origin of signed links and public files. Empty: they are on the main host."
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
    def door(self) -> str:
        """Return the address of the console door."""
        return self.console_door or str(self.data / "run" / "console-door.sock")

    @property
    def folder(self) -> Path:
        """Return the folder of the console's files."""
        return self.data / "console"

    @property
    def gateway_url(self) -> str:
        """Return the public URL of the gateway, which is the issuer without `/auth`."""
        return self.issuer.removesuffix("/auth")

    @property
    def is_https(self) -> bool:
        """Tell whether the settings say that people use HTTPS."""
        return urlsplit(self.issuer).scheme == "https"


def read() -> Settings:
    """Return the settings in the environment; raises `SettingsError` with a line for people."""
    found = settings.read(Settings)
    if urlsplit(found.issuer).scheme not in {"http", "https"}:
        raise SettingsError(f"WHARF_ISSUER={found.issuer!r}: allowed is an http or https URL")
    try:
        doors.split(found.door)
    except ValueError:
        raise SettingsError(
            f"WHARF_CONSOLE_DOOR={found.door!r}: allowed are paths of sockets, or host:port, "
            "separated by commas"
        ) from None
    if found.console_sessions != "file" and not found.console_sessions.startswith(
        ("redis://", "rediss://", "redis+unix://")
    ):
        # The value may contain a password.
        raise SettingsError("WHARF_CONSOLE_SESSIONS=(hidden): allowed are file and redis://…")
    return found
