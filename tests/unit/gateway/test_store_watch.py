"""The watch over the object store's name: changed addresses, and unavailable stores."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.servers.certificates import Certificate
from wharf_gateway import store_watch
from wharf_gateway.blobstore import BlobStore
from wharf_gateway.store_watch import GONE_SECONDS, AddressesInUse, KnownName, StoreWatch

PLAIN = BlobStore("http", "store.test", 80)


def test_a_name_that_keeps_an_address() -> None:
    """nginx's addresses stay valid while the name resolves to one of them from time to time."""
    addresses = AddressesInUse()
    now = 0.0
    for answer in (["1", "2"], ["3"], ["4", "2"], ["5"], ["1"]) * 10:
        assert not addresses.are_gone(answer, now)
        now += GONE_SECONDS / 2


def test_a_name_that_moves() -> None:
    """If the name resolves only to other addresses for five minutes, nginx must reload."""
    addresses = AddressesInUse()
    assert not addresses.are_gone(["1", "2"], 0.0)
    assert not addresses.are_gone(["3"], 60.0)
    assert not addresses.are_gone(["4"], 60.0 + GONE_SECONDS - 1)
    assert addresses.are_gone(["3"], 60.0 + GONE_SECONDS)
    assert addresses.are_gone(["3"], 120.0 + GONE_SECONDS)
    addresses.renew()
    assert not addresses.are_gone(["3"], 180.0 + GONE_SECONDS)
    assert addresses.used == ["3"]
    assert not addresses.are_gone(["3", "4"], 10 * GONE_SECONDS)


def test_no_answer_tells_nothing() -> None:
    """While the name server does not respond, nginx's addresses stay valid."""
    addresses = AddressesInUse()
    assert not addresses.are_gone([], 0.0)
    assert not addresses.are_gone(["1"], 60.0)
    for minute in range(1, 60):
        assert not addresses.are_gone([], 60.0 * minute)
    assert not addresses.are_gone(["2"], 3600.0)
    assert not addresses.are_gone(["1"], 3660.0)


class Played:
    """A simulated network: a name, its addresses, and the fault of each address."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.found, self.faults = ["1"], dict[str, str]()
        self.reloads, self.lines = 0, list[str]()
        monkeypatch.setattr(store_watch, "addresses", lambda _: self.found)
        monkeypatch.setattr(store_watch, "trouble", lambda _, one: self.faults.get(one, ""))
        monkeypatch.setattr(store_watch, "log", self.lines.append)

    def reload(self) -> bool:
        """Count a reload of nginx."""
        self.reloads += 1
        return True


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    """Return the simulated network."""
    return Played(monkeypatch)


def test_a_reload(played: Played) -> None:
    """nginx reloads once after the name's addresses have changed, and uses the new addresses."""
    watch = StoreWatch(PLAIN, played.reload)
    watch.look(0.0)
    played.found = ["2"]
    for now in (60.0, 60.0 + GONE_SECONDS, 120.0 + GONE_SECONDS, 60.0 + 3 * GONE_SECONDS):
        watch.look(now)
    assert played.reloads == 1
    assert played.lines == ["the addresses of store.test have changed; nginx reloads"]


def test_a_failed_reload_is_tried_again(played: Played) -> None:
    """If a reload fails, the next check requests the reload again."""
    watch = StoreWatch(PLAIN, lambda: played.reload() and False)
    watch.look(0.0)
    played.found = ["2"]
    for now in (60.0, 60.0 + GONE_SECONDS, 120.0 + GONE_SECONDS):
        watch.look(now)
    assert played.reloads == 2


def test_addresses_that_are_the_stores_still(played: Played) -> None:
    """With TLS nginx keeps old addresses while all of them still have the store's certificate."""
    watch = StoreWatch(BlobStore("https", "store.test", 443, "/ca.pem"), played.reload)
    played.found = ["1", "2"]
    watch.look(0.0)
    played.found = ["3"]
    watch.look(60.0)
    watch.look(60.0 + GONE_SECONDS)
    assert played.reloads == 0
    played.faults = {"2": "certificate verify failed"}
    watch.look(120.0 + GONE_SECONDS)
    assert played.reloads == 1


def test_what_is_wrong_is_said_once(played: Played) -> None:
    """A fault is logged when it begins, when it changes and when it ends."""
    watch = StoreWatch(PLAIN, played.reload)
    for faults in ({}, {"1": "refused"}, {"1": "refused"}, {"1": "timed out"}, {}, {}):
        played.faults = faults
        watch.look(0.0)
    played.found = []
    watch.look(0.0)
    at = "the object store at store.test:80"
    assert played.lines == [
        f"{at} cannot be used: refused",
        f"{at} cannot be used: timed out",
        f"{at} responds again",
        f"{at} cannot be used: no name server knows its name",
    ]


def test_one_good_address_is_enough(played: Played) -> None:
    """A fault of one of several addresses is not logged, because nginx uses the next address."""
    watch = StoreWatch(PLAIN, played.reload)
    played.found, played.faults = ["1", "2"], {"1": "refused"}
    watch.look(0.0)
    assert played.lines == []


@contextmanager
def tls_server(certificate: Certificate) -> Iterator[int]:
    """Yield the port of a TLS server that closes each connection after the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with suppress(OSError):
                        context.wrap_socket(connection, server_side=True).close()

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def test_who_answers_is_verified(tmp_path: Path) -> None:
    """A store is valid if its certificate has the store's name and the configured authority.

    For an invalid or absent store the function returns a text that names the fault.
    """
    folders = [tmp_path / "own", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    own, other = map(Certificate, folders)
    with tls_server(own) as port:
        good = BlobStore("https", "localhost", port, str(own.authority))
        assert store_watch.trouble(good, "127.0.0.1") == ""
        assert "127.0.0.1" in store_watch.addresses(good)
        wrong = BlobStore("https", "localhost", port, str(other.authority))
        assert "verify failed" in store_watch.trouble(wrong, "127.0.0.1")
        elsewhere = BlobStore("https", "store.example", port, str(own.authority))
        assert "store.example" in store_watch.trouble(elsewhere, "127.0.0.1")
    assert store_watch.trouble(good, "127.0.0.1")


def test_a_name_that_is_not_known_yet(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start waits until the store's name resolves, logs this once, and checks once a minute."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    known = KnownName(PLAIN)
    played.found = []
    assert not known()
    played.found = ["1"]
    assert not known()
    now[0] += 60.0
    played.found = []
    assert not known()
    now[0] += 60.0
    played.found = ["1"]
    assert known()
    assert played.lines == ["waiting: no name server knows the object store store.test yet"]
    assert known.error.startswith("WHARF_BLOB_URL: no name server knows store.test")
