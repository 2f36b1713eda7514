"""The bodies and queries of requests to `/v1/webhooks`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

_Cursor = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
_Url = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=2000,
        description="An https URL with a public address, or a host that the operator allows.",
    ),
]
_Kinds = Annotated[
    tuple[Annotated[str, msgspec.Meta(pattern=r"^[a-z.-]{1,40}$(?!\n)")], ...],
    msgspec.Meta(max_length=32, description="Only events of these kinds; empty: of all kinds."),
]
_Bucket = Annotated[str, msgspec.Meta(description="Only events of files in this bucket.")]
_Prefix = Annotated[
    str,
    msgspec.Meta(
        max_length=1024, description="Only events of files whose keys begin with this text."
    ),
]
_Description = Annotated[str, msgspec.Meta(max_length=200)]
_Ordered = Annotated[
    bool,
    msgspec.Meta(
        description="Whether each event waits until the event before it was delivered, or had its "
        "last try. An endpoint that is not ordered is faster."
    ),
]


class NewEndpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new endpoint; it receives events from now on."""

    url: _Url
    description: _Description = ""
    kinds: _Kinds = ()
    bucket: _Bucket | None = None
    prefix: _Prefix | None = None
    ordered: _Ordered = False


class EndpointChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The properties to change; an omitted property stays as it is.

    `null` removes a bucket or a prefix. `paused` stops the deliveries; events wait until the
    endpoint continues.
    """

    url: _Url | msgspec.UnsetType = msgspec.UNSET
    description: _Description | msgspec.UnsetType = msgspec.UNSET
    kinds: _Kinds | msgspec.UnsetType = msgspec.UNSET
    bucket: _Bucket | msgspec.UnsetType | None = msgspec.UNSET
    prefix: _Prefix | msgspec.UnsetType | None = msgspec.UNSET
    ordered: _Ordered | msgspec.UnsetType = msgspec.UNSET
    paused: bool | msgspec.UnsetType = msgspec.UNSET


class Enabling(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an endpoint continues: with the events since it stopped, or only with new events."""

    from_: Annotated[
        Literal["stopped", "now"],
        msgspec.Meta(description="`stopped`: with the events since it stopped."),
    ] = msgspec.field(name="from", default="stopped")


class ReplayRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The events to deliver again: after an event's id, or since a time.

    Send one of `after` and `since`. The end is the event `until`, or the newest event.
    """

    after: Annotated[
        _Cursor | None, msgspec.Meta(description="The id of an event; `0` is the start.")
    ] = None
    since: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    until: Annotated[_Cursor | None, msgspec.Meta(description="The id of the last event.")] = None
    kinds: _Kinds = ()
    failed_only: Annotated[bool, msgspec.Meta(description="Only events whose delivery failed.")] = (
        False
    )


class DeliveryQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A filter for deliveries, and the page."""

    state: Annotated[
        Literal["open", "done", "failed"] | None,
        msgspec.Meta(description="Only deliveries in this state."),
    ] = None
    cursor: Annotated[
        str, msgspec.Meta(max_length=32, description="`next_cursor` of the previous page.")
    ] = ""
    limit: Annotated[
        int, msgspec.Meta(ge=1, le=1000, description="Maximum number of deliveries on a page.")
    ] = 100
