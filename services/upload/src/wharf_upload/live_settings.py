"""Settings of the live channel: where it listens, and how much it takes."""

from __future__ import annotations

from dataclasses import dataclass

from servicekit.settings import setting

AUTO, ON, OFF = "auto", "on", "off"


@dataclass(frozen=True, kw_only=True)
class LiveSettings:
    """The part of the settings that is about the live channel."""

    live_socket: str = setting(
        "",
        doc="Where `wharf-upload live` listens: the path of a unix socket, or `host:port` where no "
        "gateway stands before it. Empty: `live.sock` in `WHARF_SOCKETS`. The gateway has a "
        "setting of the same name.",
    )
    live_internal: str = setting(
        "",
        doc="`host:port` on which `wharf-upload live` answers `/healthz`, `/readyz` and "
        "`/metrics`, and nothing else; `:8088` is the port on all addresses. Empty: none.",
    )
    live_polling: str = setting(
        AUTO,
        doc="Whether the live channel takes Socket.IO by HTTP long-polling. `auto`: unless notices "
        "go through Redis, which several replicas do; polling would need sticky sessions there.",
        choices=(AUTO, ON, OFF),
    )
    live_connections_per_subject: int = setting(
        20, doc="Live connections of one client or person.", minimum=1
    )
    live_connections_per_tenant: int = setting(
        200, doc="Live connections of one tenant, in each process.", minimum=1
    )
    live_connections: int = setting(
        4096, doc="Live connections of one process.", minimum=1, maximum=100_000
    )
    live_message_bytes: int = setting(
        16 * 1024,
        doc="Largest message that a live client may send, in bytes; its token is in one.",
        minimum=9 * 1024,
        maximum=1 << 20,
    )
    live_messages_per_second: int = setting(
        10, doc="Messages that one live connection may send, per second.", minimum=1
    )
    live_queued_events: int = setting(
        1000,
        doc="Events that may wait for a slow live connection; then they are dropped, and the "
        "client is told to read `GET /v1/events` from where it stands.",
        minimum=1,
        maximum=100_000,
    )
    drain_seconds: int = setting(
        30,
        doc="Longest time that `wharf-upload live` takes to end, in seconds. Clients are sent away "
        "over the first ten of them, so that they do not come back at the same moment.",
        minimum=0,
        maximum=86400,
    )
