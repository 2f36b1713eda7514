"""Watches the addresses of the object store, and whether a usable store responds there.

nginx looks up a name only when it starts or reloads. nginx logs no errors of the store, because its
log lines would contain signed addresses, with which anyone could read a file
(snippets/object_store_request.conf).
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable

from wharf_gateway.blobstore import BlobStore
from wharf_gateway.terminal import log

# The seconds between two look-ups of the name.
LOOK_SECONDS = 60.0
# The addresses in use count as gone when no look-up has returned any of them for this long. A name
# with many servers returns different addresses each time.
GONE_SECONDS = 300.0
_TIMEOUT_SECONDS = 5.0
_NAME_PAUSE_SECONDS = 2.0


class AddressesInUse:
    """The addresses that nginx uses for a name, compared with the addresses of the name now."""

    __slots__ = ("_gone_since", "_used")

    def __init__(self) -> None:
        self._used: frozenset[str] = frozenset()
        self._gone_since: float | None = None

    def renew(self) -> None:
        """Forget the addresses after nginx has looked up the name; the next look-up sets them."""
        self._used = frozenset()

    def are_gone(self, answer: Iterable[str], now: float) -> bool:
        """Tell whether the name has had none of the addresses in use for `GONE_SECONDS`.

        Args:
            answer: the addresses that a look-up found. An empty result means that the look-up
                failed, and changes nothing.
            now: monotonic time in seconds.
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
        """Return the addresses that nginx is assumed to use."""
        return sorted(self._used)


class StoreWatch:
    """The background thread that looks up the store's name, and reloads nginx for new addresses.

    Args:
        store: the object store.
        reload: makes nginx reload; returns whether it did.
    """

    def __init__(self, store: BlobStore, reload: Callable[[], bool]) -> None:
        self._store, self._reload = store, reload
        self._addresses, self._error = AddressesInUse(), ""

    def start(self) -> None:
        """Start the background thread."""
        threading.Thread(target=self._watch, name="store-watch", daemon=True).start()

    def renew(self) -> None:
        """Forget the addresses in use, because nginx has reloaded."""
        self._addresses.renew()

    def look(self, now: float) -> None:
        """Check the store and its addresses once; reload nginx if the addresses have changed.

        `now` is monotonic time in seconds.
        """
        found = addresses(self._store)
        self._say(_fault(self._store, found))
        if not self._addresses.are_gone(found, now):
            return
        # With TLS, a valid certificate proves that the old addresses still belong to the store,
        # even if look-ups do not return them.
        if self._store.ca and all(not trouble(self._store, one) for one in self._addresses.used):
            return
        log(f"the addresses of {self._store.name} have changed; nginx reloads")
        if self._reload():
            self._addresses.renew()

    def _watch(self) -> None:
        while True:
            try:
                self.look(time.monotonic())
            except Exception as error:  # noqa: BLE001 -- the next check may succeed
                log(f"the check of the object store failed: {error!r}")
            time.sleep(LOOK_SECONDS)

    def _say(self, error: str) -> None:
        if error != self._error:
            at = f"the object store at {self._store.address}"
            log(f"{at} cannot be used: {error}" if error else f"{at} responds again")
        self._error = error


class KnownName:
    """A condition: the store's name can be looked up. Without its addresses nginx does not start.

    Attributes:
        error: the message for the case that the name stays unknown.
    """

    def __init__(self, store: BlobStore) -> None:
        self._store, self._look_at, self._said = store, 0.0, False
        self.error = (
            f"WHARF_BLOB_URL: no name server knows {store.name}, and nginx does not start without "
            "its addresses"
        )

    def __call__(self) -> bool:
        """Look up the name, at most every two seconds; log once that the start waits."""
        if time.monotonic() < self._look_at:
            return False
        if addresses(self._store):
            return True
        self._look_at = time.monotonic() + _NAME_PAUSE_SECONDS
        if not self._said:
            self._said = True
            log(f"waiting: no name server knows the object store {self._store.name} yet")
        return False


def addresses(store: BlobStore) -> list[str]:
    """Return all addresses of the store's name, as nginx finds them; an empty list on failure."""
    try:
        found = socket.getaddrinfo(
            store.name.strip("[]"), store.port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
    except OSError:
        return []
    return sorted({str(one[4][0]) for one in found})


def trouble(store: BlobStore, address: str) -> str:
    """Return why nginx cannot use the store at an address; an empty text when it can."""
    try:
        with socket.create_connection((address, store.port), _TIMEOUT_SECONDS) as connection:
            if store.ca:
                # Imported here because OpenSSL is large, and a store without TLS does not need it.
                import ssl

                context = ssl.create_default_context(cafile=store.ca)
                context.wrap_socket(connection, server_hostname=store.name).close()
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def _fault(store: BlobStore, found: list[str]) -> str:
    """Return the error at the first address, or an empty text when one of the addresses works."""
    first = "no name server knows its name"
    for number, address in enumerate(found):
        error = trouble(store, address)
        if not error:
            return ""
        if number == 0:
            first = error
    return first
