"""Public keys are fetched rarely, from one URL, and stay valid while the issuer is down."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from servicekit.jwks import (
    REFRESH_SECONDS,
    RETRY_SECONDS,
    UNKNOWN_KEY_SECONDS,
    Fetcher,
    JwksError,
    KeyFile,
    parse,
)
from servicekit.testing import AUDIENCE, ISSUER, Issuer
from servicekit.tokens import BadSignature, Verifier
from tests.servers.web import Reply, serving


class Clock:
    """A clock in seconds that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def key_set(*issuers: Issuer) -> bytes:
    return json.dumps({"keys": [one.public_jwk() for one in issuers]}).encode()


def test_unknown_keys_cause_one_fetch_in_half_a_minute(
    issuer: Issuer, clock: Clock, tmp_path: Path
) -> None:
    """A thousand unknown key ids cause at most one fetch in 30 seconds (security.md 52)."""
    with serving(lambda _: Reply(key_set(issuer))) as server:
        path = tmp_path / "jwks.json"
        fetcher, keys = Fetcher(server.url, path, clock), KeyFile(path, clock)
        fetcher.step()
        assert fetcher.fetches == 1
        for second in range(1000):
            assert keys.find(f"unknown-{second}") is None
            fetcher.step()
            clock.now += UNKNOWN_KEY_SECONDS / 1001
        assert fetcher.fetches == 2
        clock.now += UNKNOWN_KEY_SECONDS
        keys.find("unknown-again")
        fetcher.step()
        assert fetcher.fetches == len(server.paths) == 3


def test_new_key_is_found_after_one_fetch(issuer: Issuer, clock: Clock, tmp_path: Path) -> None:
    """A token of a new key is refused until one fetch has finished; no restart is necessary."""
    added, shown = Issuer("added"), [issuer]
    path = tmp_path / "jwks.json"
    with serving(lambda _: Reply(key_set(*shown))) as server:
        fetcher = Fetcher(server.url, path, clock)
        verifier = Verifier(KeyFile(path, clock), issuer=ISSUER, audience=AUDIENCE)
        fetcher.step()
        shown.append(added)
        token = added.token()
        with pytest.raises(BadSignature):
            verifier.verify(token)
        fetcher.step()
        clock.now += 1
        assert verifier.verify(token).tenant == "demo"


def test_retired_key_is_refused_after_the_next_fetch(
    issuer: Issuer, clock: Clock, tmp_path: Path
) -> None:
    """After the next fetch, a key that the issuer no longer publishes verifies no token."""
    retired, shown = Issuer("retired"), [issuer]
    shown.append(retired)
    path = tmp_path / "jwks.json"
    with serving(lambda _: Reply(key_set(*shown))) as server:
        fetcher, keys = Fetcher(server.url, path, clock), KeyFile(path, clock)
        fetcher.step()
        assert keys.find("retired")
        shown.remove(retired)
        clock.now += REFRESH_SECONDS
        fetcher.step()
        clock.now += 1
        assert keys.find("retired") is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_refused(issuer: Issuer, tmp_path: Path, status: int) -> None:
    """Row 53: the fetcher follows no redirect, so keys come from the configured URL only."""
    with serving(lambda _: Reply(key_set(issuer))) as canary:
        elsewhere = Reply(status=status, headers={"Location": f"{canary.url}/keys"})
        with serving(lambda _: elsewhere) as server:
            fetcher = Fetcher(server.url, tmp_path / "jwks.json")
            with pytest.raises(JwksError):
                fetcher.fetch()
        assert canary.paths == []
        assert not (tmp_path / "jwks.json").exists()


def test_known_keys_go_on_while_the_issuer_is_down(
    issuer: Issuer, clock: Clock, tmp_path: Path
) -> None:
    """While the issuer is down, known keys stay valid, even in a process that starts later."""
    path = tmp_path / "jwks.json"
    with serving(lambda _: Reply(key_set(issuer))) as server:
        fetcher = Fetcher(server.url, path, clock)
        fetcher.step()
    clock.now += REFRESH_SECONDS
    fetcher.step()
    assert fetcher.fetches == 2
    assert KeyFile(path, clock).find(issuer.kid)


def test_failed_fetches_are_repeated_after_a_pause(clock: Clock, tmp_path: Path) -> None:
    """While the issuer is down, the service requests the keys once a second, not in a loop."""
    with serving(lambda _: Reply(status=503)) as server:
        fetcher = Fetcher(server.url, tmp_path / "jwks.json", clock)
        for _ in range(10):
            fetcher.step()
        assert fetcher.fetches == 1
        clock.now += RETRY_SECONDS
        fetcher.step()
        assert fetcher.fetches == 2


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b"null",
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": [1, "x", null, []]}',
        b'{"keys": [{"kty": "RSA", "kid": "a", "n": 5, "e": 3}]}',
        b'{"keys": [{"kty": "RSA", "kid": "a", "n": "AQAB"}]}',
        b'{"keys": [{"kty": "unheard-of", "kid": "a"}]}',
        b'{"keys": [{"kty": ["RSA"], "kid": "a"}]}',
        b'{"keys": [{"kid": "a", "kty": "oct", "k": 7}]}',
        b"[" * 100_000,
        b"x" * (256 * 1024 + 1),
    ],
)
def test_unusable_documents_replace_nothing(
    issuer: Issuer, clock: Clock, tmp_path: Path, document: bytes
) -> None:
    """An unusable document from the issuer replaces no known key."""
    shown = [key_set(issuer)]
    path = tmp_path / "jwks.json"
    with serving(lambda _: Reply(shown[0])) as server:
        fetcher, keys = Fetcher(server.url, path, clock), KeyFile(path, clock)
        fetcher.step()
        shown[0] = document
        clock.now += REFRESH_SECONDS
        fetcher.step()
        clock.now += 1
        assert fetcher.fetches == 2
        assert keys.find(issuer.kid)


def test_unknown_key_types_are_skipped(issuer: Issuer) -> None:
    """An unknown type of key is skipped and does not invalidate the set (RFC 7517 section 5)."""
    entries = [{"kty": "new", "kid": "b"}, issuer.public_jwk()]
    assert list(parse(json.dumps({"keys": entries}).encode())) == [issuer.kid]


def test_private_keys_are_not_taken(issuer: Issuer) -> None:
    """A key set that contains private keys is refused."""
    entries = [{**issuer.public_jwk(), "d": "AQAB"}]
    with pytest.raises(JwksError):
        parse(json.dumps({"keys": entries}).encode())


def test_broken_file_keeps_the_known_keys(issuer: Issuer, clock: Clock, tmp_path: Path) -> None:
    """If the key file is damaged later, the known keys stay valid."""
    path = tmp_path / "jwks.json"
    path.write_bytes(key_set(issuer))
    keys = KeyFile(path, clock)
    assert keys.loaded()
    path.write_bytes(b"{")
    clock.now += 1
    assert keys.find(issuer.kid)


def test_full_disk_does_not_end_the_fetching(issuer: Issuer, clock: Clock, tmp_path: Path) -> None:
    """If a key set cannot be written, the thread continues and fetches the key set again."""
    (tmp_path / "file").touch()
    with serving(lambda _: Reply(key_set(issuer))) as server:
        fetcher = Fetcher(server.url, tmp_path / "file" / "jwks.json", clock)
        fetcher.step()
        clock.now += RETRY_SECONDS
        fetcher.step()
        assert fetcher.fetches == 2


def test_no_file_means_no_keys(clock: Clock, tmp_path: Path) -> None:
    """Without a key file the keys are reported as not loaded."""
    assert not KeyFile(tmp_path / "jwks.json", clock).loaded()


def test_fetcher_stops_when_told(issuer: Issuer, tmp_path: Path) -> None:
    """The background thread fetches without a request, and ends after its stop event is set."""
    path = tmp_path / "sub" / "jwks.json"
    with serving(lambda _: Reply(key_set(issuer))) as server:
        fetcher, stop = Fetcher(server.url, path), threading.Event()
        thread = threading.Thread(target=fetcher.run, args=(stop,))
        thread.start()
        for _ in range(100):
            if path.exists():
                break
            stop.wait(0.05)
        stop.set()
        thread.join(5)
        assert not thread.is_alive()
        assert path.exists()


@pytest.mark.parametrize("status_line", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Le"])
def test_broken_http_is_a_failed_fetch(tmp_path: Path, status_line: bytes) -> None:
    """If the issuer does not speak HTTP, the fetch fails and the thread continues."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(status_line)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(JwksError):
            Fetcher(f"http://127.0.0.1:{port}/", tmp_path / "jwks.json").fetch()
        thread.join()
