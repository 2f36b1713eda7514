"""What happens to files, told inside the process by blinker; see docs/how-to/react-to-uploads.md.

The sender of each is the tenant's name: `accepted.connect(receiver, sender="acme")` hears of one
tenant. A signal is sent after the commit, in the thread of the request (or of the worker) that
caused it; what a receiver raises is logged and harms nobody. A process tells only what it did
itself: whoever needs everything, over restarts too, reads the events (`GET /v1/events`).
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
"""A file is stored. `file` (domain.files.File); `replaced` (bool): another was there before."""

rejected = _signals.signal("rejected")
"""An upload was refused; nothing is stored. `slug` (str) of the problem, `status` (int), `subject`
(str), `path` (str): the address as it was sent. The sender is empty where nobody is known."""

changed = _signals.signal("changed")
"""A file has another name, address, metadata or expiry. `file` (domain.files.File): as it is now;
its `id` says which one it was."""

deleted = _signals.signal("deleted")
"""A client deleted a file, or moved another one over it. `file` (domain.files.File): as it was."""

expired = _signals.signal("expired")
"""A file's time was over and it is removed. `file` (domain.files.File): as it was. Readers miss it
from `expires_at` on; this comes when it is swept, or when its place is needed before that."""

# What the records say, by the kind of the event.
_BY_EVENT: Mapping[str, tuple[NamedSignal, Mapping[str, object]]] = {
    "file.created": (accepted, {"replaced": False}),
    "file.replaced": (accepted, {"replaced": True}),
    "file.changed": (changed, {}),
    "file.moved": (changed, {}),
    "file.deleted": (deleted, {}),
    "file.expired": (expired, {}),
}


def send(signal: NamedSignal, tenant: str, **arguments: object) -> None:
    """Calls the receivers one after the other; what one raises is logged."""
    if not signal.receivers:
        return
    for receiver in signal.receivers_for(tenant):
        try:
            receiver(tenant, **arguments)
        except Exception:
            log.exception("a receiver of the signal %r failed", signal.name)


def tell(tenant: str, kind: str, file: object) -> None:
    """Sends the signal that belongs to an event of the records, where there is one."""
    known = _BY_EVENT.get(kind)
    if known is not None:
        send(known[0], tenant, file=file, **known[1])


def load(modules: tuple[str, ...]) -> None:
    """Imports the operator's modules, which connect their receivers; raises `SettingsError`."""
    for module in modules:
        try:
            import_module(module)
        except ImportError as error:
            raise SettingsError(f"WHARF_RECEIVERS: {module}: {error}") from error
