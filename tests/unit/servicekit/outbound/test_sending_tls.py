"""Requests with TLS: the receiver proves that it has the name in the URL."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from servicekit.outbound import Rules, Sender, SendingFailed
from tests.servers.certificates import Certificate
from tests.servers.raw_receiver import OK, Behaviour, hangs_after, raw_receiver, resets_after, sends

MakeSender = Callable[..., Sender]


def test_a_certificate_of_an_added_authority(
    sender_of: MakeSender, certificate: Certificate
) -> None:
    """A receiver whose certificate an authority in `ca_file` signed gets the request."""
    sender = sender_of(ca_file=certificate.authority)
    with raw_receiver(sends(OK), certificate) as receiver:
        for host in ("localhost", "LOCALHOST", "127.0.0.1"):
            assert sender.post(f"https://{host}:{receiver.port}/", {}, b"").body == b"ok"
    assert receiver.requests[0].count(b"\r\nHost: localhost:%d\r\n" % receiver.port) == 1


def test_the_authorities_of_the_system_stay(
    sender_of: MakeSender, certificate: Certificate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A receiver with an authority of the system gets the request although `ca_file` is another."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.authority))
    (tmp_path / "other").mkdir()
    other = Certificate(tmp_path / "other")
    sender = sender_of(ca_file=other.authority)
    with raw_receiver(sends(OK), certificate) as receiver:
        assert sender.post(f"https://localhost:{receiver.port}/", {}, b"").status == 200
    with raw_receiver(sends(OK), other) as receiver:
        assert sender.post(f"https://localhost:{receiver.port}/", {}, b"").status == 200


def test_an_unknown_authority(sender_of: MakeSender, certificate: Certificate) -> None:
    """A receiver with a certificate of an unknown authority gets no request."""
    with (
        raw_receiver(sends(OK), certificate) as receiver,
        pytest.raises(SendingFailed, match=r"certificate is not trusted: .*issuer") as raised,
    ):
        sender_of().post(f"https://localhost:{receiver.port}/", {}, b"secret")
    assert raised.value.kind == "tls"
    assert receiver.requests == []


@pytest.mark.parametrize("host", ["hooks.corp", "a.b.localhost", "127.0.0.2"])
def test_another_name(sender_of: MakeSender, certificate: Certificate, host: str) -> None:
    """A receiver whose certificate has another name gets no request."""
    sender = sender_of(host, ca_file=certificate.authority)
    with raw_receiver(sends(OK), certificate, address="") as receiver:
        port = receiver.port
        with pytest.raises(
            SendingFailed, match=r"certificate is not trusted: .*mismatch"
        ) as raised:
            sender.post(f"https://{host}:{port}/", {}, b"secret")
    assert raised.value.kind == "tls"
    assert receiver.requests == []


def test_the_receiver_gets_the_name(sender_of: MakeSender, certificate: Certificate) -> None:
    """TLS names the host of the URL (SNI), not the address of the connection."""
    names = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    with raw_receiver(sends(OK), context) as receiver:
        sender = sender_of(ca_file=certificate.authority)
        sender.post(f"https://LocalHost:{receiver.port}/", {}, b"")
    assert names == ["localhost"]


def test_old_tls_is_refused(sender_of: MakeSender, certificate: Certificate) -> None:
    """A receiver that has only TLS 1.1 gets no request."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    sender = sender_of(ca_file=certificate.authority)
    with (
        raw_receiver(sends(OK), context) as receiver,
        pytest.raises(SendingFailed, match="TLS failed") as raised,
    ):
        sender.post(f"https://localhost:{receiver.port}/", {}, b"")
    assert raised.value.kind == "tls"
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("plain", "kind", "reason"),
    [
        (sends(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "tls", "TLS failed: wrong version number"),
        (sends(), "tls", "TLS failed: the receiver closed the connection"),
        (resets_after(), "protocol", "connection broke: Connection reset by peer"),
    ],
)
def test_a_receiver_without_tls(
    sender_of: MakeSender, plain: Behaviour, kind: str, reason: str
) -> None:
    """A receiver that speaks no TLS is a failure."""

    def behave(connection: socket.socket) -> None:
        connection.recv(65_536)
        plain(connection)

    with (
        raw_receiver(behave, reads=False) as receiver,
        pytest.raises(SendingFailed, match=reason) as raised,
    ):
        sender_of().post(f"https://localhost:{receiver.port}/", {}, b"")
    assert raised.value.kind == kind


@pytest.mark.parametrize(
    "behaviour", [hangs_after(OK), sends(OK), sends(b"HTTP/1.0 200 x\r\n\r\nok")]
)
def test_the_end_of_tls(
    sender_of: MakeSender, certificate: Certificate, behaviour: Behaviour
) -> None:
    """An answer is complete with and without a regular end of TLS."""
    with raw_receiver(behaviour, certificate) as receiver:
        sender = sender_of(ca_file=certificate.authority)
        assert sender.post(f"https://localhost:{receiver.port}/", {}, b"").body == b"ok"


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_wrong_file_of_authorities(tmp_path: Path, content: str | None) -> None:
    """The error for a file without certificates names the file."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=f"{path}: no certificates"):
        Sender(Rules(ca_file=path))
