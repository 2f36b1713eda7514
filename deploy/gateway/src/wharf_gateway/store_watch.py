"""Watches over the object store's name, and whether who answers there is the store.

nginx looks a name up when it starts or reloads, and never again; and it cannot tell what is wrong
with the store without telling addresses by which anybody could read a file
(snippets/object_store_request.conf).
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable

from wharf_gateway.blobstore import BlobStore
from wharf_gateway.terminal import log

# How often the name is looked up.
LOOK_SECONDS = 60.0
# For so long none of the addresses in use has been among the answers: a name that stands for many
# servers has others in each answer.
GONE_SECONDS = 300.0
_TIMEOUT_SECONDS = 5.0
_NAME_PAUSE_SECONDS = 2.0


class AddressesInUse:
    """The addresses that nginx uses for a name, against those that the name has."""

    __slots__ = ("_gone_since", "_used")

    def __init__(self) -> None:
        self._used: frozenset[str] = frozenset()
        self._gone_since: float | None = None

    def renew(self) -> None:
        """nginx has looked the name up: what is answered next is in use."""
        self._used = frozenset()

    def are_gone(self, answer: Iterable[str], now: float) -> bool:
        """Tells whether the name has had none of them for so long that they count as gone.

        Args:
            answer: what a look-up has found; nothing, where it has failed, tells nothing.
            now: seconds by a clock that only goes on.
        """
        found = frozenset(answer)
        if not self._used:
            self._used = found
        if not found or self._used & found:
            if found:
                self._gone_since = None
            return False
        if self._gone_since is None:
            self._gone_since = now
        return now - self._gone_since >= GONE_SECONDS

    @property
    def used(self) -> list[str]:
        """Those that are taken to be in use."""
        return sorted(self._used)


class StoreWatch:
    """Looks up the store's name for ever, and has nginx reload when its addresses are gone.

    Args:
        store: the object store.
        reload: has nginx reload; returns whether it has.
    """

    def __init__(self, store: BlobStore, reload: Callable[[], bool]) -> None:
        self._store, self._reload = store, reload
        self._addresses, self._error = AddressesInUse(), ""

    def start(self) -> None:
        """Watches from now on, in a thread."""
        threading.Thread(target=self._watch, name="store-watch", daemon=True).start()

    def renew(self) -> None:
        """nginx has reloaded."""
        self._addresses.renew()

    def look(self, now: float) -> None:
        """Looks once."""
        found = addresses(self._store)
        self._say(_fault(self._store, found))
        if not self._addresses.are_gone(found, now):
            return
        # A certificate says that they are still the store's: then they may be left out of an answer
        # for as long as they like.
        if self._store.ca and all(not trouble(self._store, one) for one in self._addresses.used):
            return
        log(f"{self._store.name} has other addresses than before; nginx reloads")
        if self._reload():
            self._addresses.renew()

    def _watch(self) -> None:
        while True:
            try:
                self.look(time.monotonic())
            except Exception as error:  # noqa: BLE001 -- the next time may do
                log(f"the object store cannot be watched: {error!r}")
            time.sleep(LOOK_SECONDS)

    def _say(self, error: str) -> None:
        if error != self._error:
            at = f"the object store at {self._store.address}"
            log(f"{at} cannot be used: {error}" if error else f"{at} answers again")
        self._error = error


class KnownName:
    """Whether the store's name can be looked up: nginx does not start without its addresses."""

    def __init__(self, store: BlobStore) -> None:
        self._store, self._look_at, self._said = store, 0.0, False
        self.error = (
            f"WHARF_BLOB_URL: the name {store.name} is not known here, and nginx does not start "
            "without its addresses"
        )

    def __call__(self) -> bool:
        """Looks, but not too often; says once that it waits."""
        if time.monotonic() < self._look_at:
            return False
        if addresses(self._store):
            return True
        self._look_at = time.monotonic() + _NAME_PAUSE_SECONDS
        if not self._said:
            self._said = True
            log(f"waiting: the object store's name {self._store.name} is not known yet")
        return False


def addresses(store: BlobStore) -> list[str]:
    """All addresses that the name has now, as nginx would find them; none where it is not known."""
    try:
        found = socket.getaddrinfo(
            store.name.strip("[]"), store.port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
    except OSError:
        return []
    return sorted({str(one[4][0]) for one in found})


def trouble(store: BlobStore, address: str) -> str:
    """Why nginx cannot use the store at an address; empty when it can."""
    try:
        with socket.create_connection((address, store.port), _TIMEOUT_SECONDS) as connection:
            if store.ca:
                # Here, not above: OpenSSL is large, and few stores need it.
                import ssl

                context = ssl.create_default_context(cafile=store.ca)
                context.wrap_socket(connection, server_hostname=store.name).close()
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def _fault(store: BlobStore, found: list[str]) -> str:
    """What is wrong with all of the addresses; the first one's fault stands for all."""
    first = "its name is not known"
    for number, address in enumerate(found):
        error = trouble(store, address)
        if not error:
            return ""
        if number == 0:
            first = error
    return first
