"""Signals: blinker messages inside the process about files (docs/how-to/react-to-uploads.md).

The sender of a signal is the tenant's name, so `accepted.connect(receiver, sender="acme")` gets the
signals of one tenant. The service sends a signal after the commit, in the thread of the request or
worker that caused it. An exception from a receiver is logged and has no other effect. A process
sends signals only for its own changes. A program that needs all changes, even across restarts,
reads the events (`GET /v1/events`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib import import_module

from blinker import NamedSignal, Namespace

from servicekit.settings import SettingsError

log = logging.getLogger(__name__)
_signals = Namespace()

accepted = _signals.signal("accepted")
"""A file was stored. `file` (domain.files.File); `replaced` (bool): it replaced another file."""

rejected = _signals.signal("rejected")
"""An upload was refused; nothing was stored. `slug` (str) of the problem, `status` (int), `subject`
(str), `path` (str): the address as the client sent it. The sender is empty if the tenant is not
known."""

changed = _signals.signal("changed")
"""A file's name, address, metadata or expiry was changed. `file` (domain.files.File): the file
after the change; its `id` stays the same."""

deleted = _signals.signal("deleted")
"""A client deleted a file, or moved another file over it. `file` (domain.files.File): the deleted
file."""

expired = _signals.signal("expired")
"""An expired file was removed. `file` (domain.files.File): the removed file. Clients cannot read it
from `expires_at` on. The signal is sent later: when the worker removes the file, or earlier if its
key or its space in the quota is needed."""

# The signal and its extra arguments, by the kind of the event.
_BY_EVENT: Mapping[str, tuple[NamedSignal, Mapping[str, object]]] = {
    "file.created": (accepted, {"replaced": False}),
    "file.replaced": (accepted, {"replaced": True}),
    "file.changed": (changed, {}),
    "file.moved": (changed, {}),
    "file.deleted": (deleted, {}),
    "file.expired": (expired, {}),
}


def send(signal: NamedSignal, tenant: str, **arguments: object) -> None:
    """Call the receivers one after another; log the exceptions that they raise."""
    if not signal.receivers:
        return
    for receiver in signal.receivers_for(tenant):
        try:
            receiver(tenant, **arguments)
        except Exception:
            log.exception("a receiver of the signal %r failed", signal.name)


def tell(tenant: str, kind: str, file: object) -> None:
    """Send the signal for an event of the records, if the event's kind has one."""
    known = _BY_EVENT.get(kind)
    if known is not None:
        send(known[0], tenant, file=file, **known[1])


def load(modules: tuple[str, ...]) -> None:
    """Import the operator's modules, which connect their receivers.

    Raises `SettingsError` if an import fails.
    """
    for module in modules:
        try:
            import_module(module)
        except ImportError as error:
            raise SettingsError(f"WHARF_RECEIVERS: {module}: {error}") from error
