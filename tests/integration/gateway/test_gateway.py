"""The gateway of a container, as a process on this machine that starts nginx."""

from __future__ import annotations

import os
import signal
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.servers.certificates import Certificate
from tests.servers.gateway import CONTINUE, HEAD, Running
from tests.servers.nginx_pid import nginx_pid
from tests.servers.wharf.raw_http import until

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Running]:
    """Yield a gateway that serves."""
    made = Running(tmp_path)
    try:
        assert until(made.answers), made.output
        yield made
    finally:
        if made.process.poll() is None:
            made.end(signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_a_request_in_flight_is_answered_before_the_end(
    gateway: Running, number: signal.Signals
) -> None:
    """After SIGTERM or SIGQUIT a request in flight gets its response, no new one is accepted, and
    the exit code is 0.
    """
    with gateway.begin() as connection:
        gateway.process.send_signal(number)
        assert until(lambda: "stopping" in gateway.output)
        assert until(lambda: not gateway.answers())
        connection.sendall(b"67890")
        assert connection.recv(12).startswith(b"HTTP/1.1 50")
    assert gateway.process.wait(60) == 0


def test_a_request_that_never_ends_is_not_waited_for(tmp_path: Path) -> None:
    """After `WHARF_DRAIN_SECONDS` the gateway ends despite an unfinished request, with
    exit code 0.
    """
    gateway = Running(tmp_path, WHARF_DRAIN_SECONDS="0")
    assert until(gateway.answers), gateway.output
    with gateway.begin():
        assert gateway.end(signal.SIGTERM) == 0
    assert "some requests have not ended" in gateway.output


def test_int_ends_at_once(gateway: Running) -> None:
    """SIGINT ends the gateway immediately and cuts a request under way."""
    with gateway.begin() as connection:
        assert gateway.end(signal.SIGINT) == 0
        with suppress(ConnectionResetError):
            assert connection.recv(1) == b""


def test_a_hangup_with_a_broken_configuration_changes_nothing(gateway: Running) -> None:
    """With a broken configuration SIGHUP only logs an error, and the running
    nginx continues to serve.
    """
    broken = gateway.folder / f"run-{gateway.port}/nginx.conf"
    whole = broken.read_text()
    broken.write_text("events {")
    gateway.process.send_signal(signal.SIGHUP)
    assert until(lambda: "not reloaded" in gateway.output)
    assert gateway.answers()
    broken.write_text(whole)
    before = nginx_pid(gateway.folder / f"run-{gateway.port}")
    gateway.process.send_signal(signal.SIGHUP)
    assert until(gateway.answers)
    assert nginx_pid(gateway.folder / f"run-{gateway.port}") == before


def test_without_nginx_it_ends(gateway: Running) -> None:
    """When nginx ends, the gateway exits with 1, so the platform starts the container again."""
    os.kill(nginx_pid(gateway.folder / f"run-{gateway.port}"), signal.SIGTERM)
    assert gateway.process.wait(60) == 1
    assert "nginx ended with exit code 0" in gateway.output


def test_a_second_one_on_the_same_spool_ends(gateway: Running) -> None:
    """A second gateway on the same spool exits with an error and removes no body
    of the first one.
    """
    body = gateway.folder / "data/spool/one/0000000001"
    body.write_bytes(b"under way")
    second = Running(gateway.folder, WHARF_READY_SECONDS="1")
    assert second.process.wait(60) == 1
    assert "another gateway uses" in second.output
    assert body.read_bytes() == b"under way"


def test_it_says_when_it_began(gateway: Running) -> None:
    """The first line of nginx's log is the gateway's start time. Bodies admitted earlier
    are not under way.
    """
    (sockets,) = (path.parent for path in gateway.folder.rglob("requests.tsv"))
    first = (sockets / "requests.tsv").read_bytes().splitlines()[0]
    said, _, since = first.partition(b"\t")
    assert said == b"gateway began"
    assert float(since) <= time.time()


def test_a_renewed_certificate_is_loaded(tmp_path: Path) -> None:
    """New connections get a renewed certificate without a restart, and a body under
    way is received completely.
    """
    (tmp_path / "tls").mkdir()
    first = Certificate(tmp_path / "tls")
    gateway = Running(
        tmp_path, WHARF_TLS_CERTIFICATE=str(first.chain), WHARF_TLS_KEY=str(first.key)
    )

    def shown() -> str:
        with suppress(OSError):
            return ssl.get_server_certificate(("127.0.0.1", gateway.port), timeout=10)
        return ""

    try:
        assert until(shown), gateway.output
        before = shown()
        context = ssl.create_default_context(cafile=str(first.authority))
        with context.wrap_socket(gateway.connect(), server_hostname="localhost") as connection:
            connection.sendall(HEAD)
            assert connection.recv(len(CONTINUE)) == CONTINUE
            (tmp_path / "new").mkdir()
            second = Certificate(tmp_path / "new")
            second.key.replace(first.key)
            second.chain.replace(first.chain)
            assert until(lambda: shown() not in {"", before}), gateway.output
            connection.sendall(b"1234567890")
            assert connection.recv(12).startswith(b"HTTP/1.1 50")
    finally:
        assert gateway.end(signal.SIGINT) == 0


def test_a_store_whose_name_is_not_known(tmp_path: Path) -> None:
    """A gateway whose object store has an unknown name waits, logs the reason, and exits after
    `WHARF_READY_SECONDS`.
    """
    url = "s3://bucket?endpoint=http://store.invalid"
    gateway = Running(tmp_path, WHARF_BLOB_URL=url, WHARF_READY_SECONDS="1")
    assert gateway.process.wait(60) == 1
    waiting, error = gateway.output.splitlines()
    assert waiting == "wharf: waiting: no name server knows the object store store.invalid yet"
    assert error.startswith("wharf: WHARF_BLOB_URL: no name server knows store.invalid")


def test_a_store_that_is_down(tmp_path: Path) -> None:
    """The gateway serves while its object store is down, logs the error, and reloads on SIGHUP."""
    gateway = Running(tmp_path, WHARF_BLOB_URL="s3://bucket?endpoint=http://127.0.0.1:1")
    try:
        assert until(gateway.answers), gateway.output
        words = "the object store at 127.0.0.1:1 cannot be used: "
        assert until(lambda: words in gateway.output)
        gateway.process.send_signal(signal.SIGHUP)
        assert until(gateway.answers)
        assert "not reloaded" not in gateway.output
    finally:
        assert gateway.end(signal.SIGINT) == 0
