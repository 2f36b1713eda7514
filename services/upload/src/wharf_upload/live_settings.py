"""Settings of the live channel: its addresses and its limits."""

from __future__ import annotations

from dataclasses import dataclass

from servicekit.settings import setting

AUTO, ON, OFF = "auto", "on", "off"


@dataclass(frozen=True, kw_only=True)
class LiveSettings:
    """The settings for the live channel."""

    live_socket: str = setting(
        "",
        doc="The address of `wharf-upload live`: the path of a unix socket, or `host:port` if "
        "there is no gateway in front. Empty: `live.sock` in `WHARF_SOCKETS`. The gateway "
        "has a setting of the same name.",
    )
    live_internal: str = setting(
        "",
        doc="`host:port` at which `wharf-upload live` serves only `/healthz`, `/readyz` and "
        "`/metrics`. `:8088` is the port on all addresses. Empty: no such port.",
    )
    live_polling: str = setting(
        AUTO,
        doc=(
            "Whether the live channel accepts Socket.IO by HTTP long-polling. `auto`: only if "
            "no Redis passes on the notices of new events. With several replicas a Redis "
            "passes them on, and polling would need sticky sessions."
        ),
        choices=(AUTO, ON, OFF),
    )
    live_connections_per_subject: int = setting(
        20, doc="The number of live connections of one client or person.", minimum=1
    )
    live_connections_per_tenant: int = setting(
        200, doc="The number of live connections of one tenant, in each process.", minimum=1
    )
    live_connections: int = setting(
        4096, doc="The number of live connections of one process.", minimum=1, maximum=100_000
    )
    live_message_bytes: int = setting(
        16 * 1024,
        doc="The largest message that a live client may send, in bytes. The client sends its "
        "token in a message.",
        minimum=9 * 1024,
        maximum=1 << 20,
    )
    live_messages_per_second: int = setting(
        10, doc="The number of messages per second that one live connection may send.", minimum=1
    )
    live_queued_events: int = setting(
        1000,
        doc=(
            "The number of events of a tenant that may wait for slow live connections. If more"
            " events wait, the live channel drops the oldest ones, and asks the clients that "
            "missed events to read them with `GET /v1/events`."
        ),
        minimum=1,
        maximum=100_000,
    )
    drain_seconds: int = setting(
        30,
        doc="The longest time that `wharf-upload live` takes to end, in seconds. It disconnects "
        "its clients over the first ten of these seconds, so that they do not reconnect at "
        "the same moment.",
        minimum=0,
        maximum=86400,
    )
