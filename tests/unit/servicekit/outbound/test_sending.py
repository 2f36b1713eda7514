"""Requests to receivers on this machine, which respond in every wrong way."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servicekit.outbound import AllowList, NotAllowed, Rules, Sender, SendingFailed
from tests.servers.raw_receiver import (
    OK,
    Behaviour,
    drips,
    hangs_after,
    raw_receiver,
    resets_after,
    sends,
)

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
MakeSender = Callable[..., Sender]


def test_a_request(sender_of: MakeSender) -> None:
    """A request has the fields and the body of the caller, and no others than those of HTTP."""
    fields = {"content-type": "application/json", "webhook-id": "a.1"}
    with raw_receiver(sends(OK)) as receiver:
        url = f"http://hooks.corp:{receiver.port}/a?b=%20"
        answer = sender_of().post(url, fields, b'{"a": 1}')
    assert (answer.status, answer.body, answer.retry_after) == (200, b"ok", None)
    assert answer.milliseconds >= 0
    assert receiver.requests == [
        b"POST /a?b=%20 HTTP/1.1\r\n"
        b"Accept-Encoding: identity\r\n"
        b"Host: hooks.corp:" + str(receiver.port).encode() + b"\r\n"
        b"content-type: application/json\r\n"
        b"webhook-id: a.1\r\n"
        b"Content-Length: 8\r\n"
        b"Connection: close\r\n"
        b"User-Agent: Wharf\r\n"
        b"\r\n"
        b'{"a": 1}'
    ]


@pytest.mark.parametrize("size", [0, 1, 262_144])
def test_a_body_arrives_complete(sender_of: MakeSender, size: int) -> None:
    """A body of any size arrives with its length."""
    with raw_receiver(sends(OK)) as receiver:
        sender_of().post(f"http://127.0.0.1:{receiver.port}", {}, b"x" * size)
    head, _, body = receiver.requests[0].partition(b"\r\n\r\n")
    assert b"\r\nContent-Length: %d\r\n" % size in head
    assert body == b"x" * size


@pytest.mark.parametrize(
    "fields",
    [
        {"a": "b\r\nHost: evil"},
        {"a": "b\n c"},
        {"a": "b\r\n c"},
        {"a": "b\0"},
        {"a": " b"},
        {"a": "b\t"},
        {"a": "\u00e9"},
        {"a\r\nb": "c"},
        {"a:": "c"},
        {"a b": "c"},
        {"": "c"},
        {"HOST": "c"},
        {"content-length": "0"},
        {"Transfer-Encoding": "chunked"},
        {"Connection": "keep-alive"},
        {"User-Agent": "x"},
        {"Cookie": "a=b"},
        {"Expect": "100-continue"},
    ],
)
def test_fields_cannot_change_the_request(sender_of: MakeSender, fields: dict[str, str]) -> None:
    """A field with a line end, or one that belongs to the sender, is an error of the caller."""
    with raw_receiver(sends(OK)) as receiver:
        with pytest.raises(ValueError, match=r"field|printable ASCII"):
            sender_of().post(f"http://127.0.0.1:{receiver.port}", fields, b"")
        assert receiver.connections == 0


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "127.1", "0x7f.1", "0x7f000001", "2130706433", "0177.0.0.1"),
        *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "127.0.0.1.", "localhost.", "0", "0.0.0.0"),
        *("a@127.0.0.1", "\uff11\uff12\uff17.0.0.1", "127.0.0.1\\@a.example", "loc\talhost"),
        *("a.example#@127.0.0.1", "a.example\\@127.0.0.1", "127.0.0.1%00", "[::1%25lo]"),
    ],
)
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_no_spelling_reaches_this_machine(sender_of: MakeSender, scheme: str, host: str) -> None:
    """No spelling of this machine leads to a connection if the allow-list does not name it."""
    sender = sender_of("10.0.0.0/8", resolver=real_resolver)
    with raw_receiver(sends(OK), reads=False) as receiver:
        with pytest.raises(NotAllowed):
            sender.post(f"{scheme}://{host}:{receiver.port}/", {}, b"")
        assert receiver.connections == 0


def real_resolver(name: str) -> Sequence[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(name, None)]


def test_a_name_is_resolved_once(sender_of: MakeSender) -> None:
    """The sender connects to the address that it checked, although DNS changes its answer."""
    asked = []

    def changing(name: str) -> Sequence[str]:
        asked.append(name)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    with raw_receiver(sends(OK)) as receiver:
        url = f"http://hooks.corp:{receiver.port}"
        sender = sender_of("127.0.0.1", resolver=changing)
        assert sender.post(url, {}, b"").status == 200
        assert asked == ["hooks.corp"]
        with pytest.raises(NotAllowed):
            sender.post(url, {}, b"")
        assert receiver.connections == 1


@pytest.mark.parametrize("addresses", [["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"]])
def test_mixed_addresses(sender_of: MakeSender, addresses: list[str]) -> None:
    """A host of which one address is not permitted gets no connection to the others."""
    with raw_receiver(sends(OK), reads=False) as receiver:
        with pytest.raises(NotAllowed):
            sender_of(resolver=lambda _: addresses).post(
                f"http://hooks.corp:{receiver.port}", {}, b""
            )
        assert receiver.connections == 0


def test_the_next_address_is_tried(sender_of: MakeSender) -> None:
    """If the first address refuses the connection, the sender uses the next one."""
    with raw_receiver(sends(OK)) as receiver:
        sender = sender_of("hooks.corp", resolver=lambda _: ["127.0.0.9", "127.0.0.1"])
        assert sender.post(f"http://hooks.corp:{receiver.port}", {}, b"").status == 200


def test_a_closed_port(sender_of: MakeSender) -> None:
    """A refused connection is a failure to connect."""
    with raw_receiver(sends(OK)) as receiver:
        port = receiver.port
    with pytest.raises(SendingFailed, match="Connection refused") as raised:
        sender_of().post(f"http://127.0.0.1:{port}", {}, b"")
    assert raised.value.kind == "connect"


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"])
def test_the_environment_has_no_proxy(
    sender_of: MakeSender, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A proxy in the environment is not used."""
    with raw_receiver(sends(OK)) as receiver:
        monkeypatch.setenv(name, "http://127.0.0.1:1")
        assert sender_of().post(f"http://127.0.0.1:{receiver.port}", {}, b"").status == 200


ANSWERS: list[tuple[Behaviour, int, bytes]] = [
    (sends(b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"), 204, b""),
    (sends(b"HTTP/1.0 200\r\n\r\nuntil the end"), 200, b"until the end"),
    (sends(b"HTTP/1.1 410 \r\nContent-Length: 0\r\n\r\n"), 410, b""),
    (sends(b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n", OK), 200, b"ok"),
    (sends(b"HTTP/1.1 100 Continue\r\n\r\n" * 3, b"HTTP/1.1 102 \r\n\r\n", OK), 200, b"ok"),
    (sends(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 50, OK), 200, b"ok"),
    (sends(b"HTTP/1.1 103 \r\n\r\nHTTP/1.1 100 \r\n\r\nHTTP/1.1 199 \r\n\r\n", OK), 200, b"ok"),
    (sends(CHUNKED, b"2;a=b\r\nok\r\n1\r\n!\r\n0\r\nTrailer: a\r\n\r\n"), 200, b"ok!"),
    (sends(HEAD, b"Content-Length: 2\r\n\r\nok and more"), 200, b"ok"),
    (sends(HEAD, b"Content-Length: a\r\n\r\nok"), 200, b"ok"),
    (sends(HEAD, b"Content-Length: 20000\r\n\r\n", b"x" * 20_000), 200, b"x" * 16_384),
    (sends(HEAD, b"Content-Length: 16384\r\n\r\n", b"x" * 16_384), 200, b"x" * 16_384),
    (sends(HEAD, b"\r\n", b"x" * 16_385), 200, b"x" * 16_384),
    (drips(HEAD + b"Content-Length: 17179869184\r\n\r\n", b"x" * 65_536, 0), 200, b"x" * 16_384),
    (drips(HEAD + b"\r\n", b"x" * 65_536, 0), 200, b"x" * 16_384),
    (sends(CHUNKED, b"-5\r\n", b"x" * 40_000), 200, b"x" * 16_384),
    (drips(CHUNKED, b"4000\r\n" + b"x" * 16_384 + b"\r\n", 0), 200, b"x" * 16_384),
    (hangs_after(OK), 200, b"ok"),
    (sends(b"HTTP/1.1 999 a\r\nContent-Length: 0\r\n\r\n"), 999, b""),
]


@pytest.mark.parametrize(("behaviour", "status", "body"), ANSWERS)
def test_answers(sender_of: MakeSender, behaviour: Behaviour, status: int, body: bytes) -> None:
    """An answer has the final status and at most the first 16 KiB of the body."""
    with raw_receiver(behaviour) as receiver:
        answer = sender_of().post(f"http://127.0.0.1:{receiver.port}", {}, b"")
    assert (answer.status, answer.body) == (status, body)


def test_an_endless_line_of_small_chunks(sender_of: MakeSender) -> None:
    """Of a body whose frame is larger than its content, the answer has the beginning."""
    with raw_receiver(drips(CHUNKED, b"1;" + b"a" * 500 + b"\r\nx\r\n", 0)) as receiver:
        answer = sender_of().post(f"http://127.0.0.1:{receiver.port}", {}, b"")
    assert answer.status == 200
    assert set(answer.body) == set(b"x")
    assert 10 < len(answer.body) < 100


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(sender_of: MakeSender, status: int) -> None:
    """A redirect is an answer, and its target gets no request."""
    with raw_receiver(sends(OK), reads=False) as target:
        location = f"Location: http://127.0.0.1:{target.port}/\r\nContent-Length: 0\r\n\r\n"
        with raw_receiver(sends(b"HTTP/1.1 %d x\r\n" % status, location.encode())) as receiver:
            answer = sender_of().post(f"http://127.0.0.1:{receiver.port}", {}, b"")
        assert (answer.status, target.connections) == (status, 0)


@pytest.mark.parametrize(
    ("value", "retry_after"),
    [
        (b"120", "120"),
        (b"Fri, 31 Dec 2027 23:59:59 GMT", "Fri, 31 Dec 2027 23:59:59 GMT"),
        (b"", ""),
        (b"1\r\n 2", None),
        (b"\xe9", None),
        (b"1" * 101, None),
    ],
)
def test_retry_after(sender_of: MakeSender, value: bytes, retry_after: str | None) -> None:
    """The answer has the value of Retry-After if it is one short line of ASCII."""
    head = b"HTTP/1.1 503 x\r\nContent-Length: 0\r\nRetry-After: " + value + b"\r\n\r\n"
    with raw_receiver(sends(head)) as receiver:
        answer = sender_of().post(f"http://127.0.0.1:{receiver.port}", {}, b"")
    assert (answer.status, answer.retry_after) == (503, retry_after)


INVALID = "not valid HTTP"
FAILURES: list[tuple[Behaviour, str]] = [
    (sends(), "closed the connection without a response"),
    (sends(b"\r\n\r\n"), INVALID),
    (sends(b"garbage\r\n\r\n"), INVALID),
    (sends(b"<html>an answer of HTTP/0.9</html>"), INVALID),
    (sends(b"HTTP/2 200\r\n\r\n"), INVALID),
    (sends(b"HTTP/1.1 20 OK\r\n\r\n"), INVALID),
    (sends(b"HTTP/1.1 -200 OK\r\n\r\n"), INVALID),
    (sends(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), INVALID),
    (sends(HEAD, b"A: b\r\n" * 101, b"\r\n"), INVALID),
    (sends(b"HTTP/1.1 101 x\r\nUpgrade: a\r\n\r\n"), "answered with 101"),
    (sends(HEAD, b"A: ", b"x" * 65_536), "head of the response is larger than 65536"),
    (drips(b"HTTP/1.1 ", b"x" * 1000, 0), "head of the response is larger than 65536"),
    (drips(b"", b"HTTP/1.1 100 \r\n\r\n", 0), "head of the response is larger than 65536"),
    (drips(b"", b"HTTP/1.1 103 \r\n\r\n", 0), "head of the response is larger than 65536"),
    (sends(HEAD), "ended within its head"),
    (sends(HEAD, b"Content-Length: 0\r\n"), "ended within its head"),
    (sends(HEAD, b"Content-Len"), "ended within its head"),
    (sends(b"HTTP/1.1 200"), "ended within its head"),
    (sends(HEAD, b"Content-Length: 3\r\n\r\nok"), "ended within its body"),
    (sends(CHUNKED, b"3\r\nok"), "ended within its body"),
    (sends(CHUNKED, b"2\r\nok\r\n"), "ended within its body"),
    (sends(CHUNKED, b"x\r\nok\r\n"), "ended within its body"),
    (resets_after(), "connection broke: Connection reset by peer"),
    (resets_after(HEAD), "connection broke: Connection reset by peer"),
    (resets_after(HEAD, b"Content-Length: 3\r\n\r\n"), "connection broke: Connection reset"),
]


@pytest.mark.parametrize(("behaviour", "reason"), FAILURES)
def test_failures(sender_of: MakeSender, behaviour: Behaviour, reason: str) -> None:
    """A response that is wrong or incomplete is a failure of the protocol."""
    with raw_receiver(behaviour) as receiver, pytest.raises(SendingFailed, match=reason) as raised:
        sender_of().post(f"http://127.0.0.1:{receiver.port}", {}, b"")
    assert raised.value.kind == "protocol"


@pytest.mark.parametrize("reads", [True, False])
def test_an_early_refusal(sender_of: MakeSender, reads: bool) -> None:  # noqa: FBT001
    """A receiver that refuses a request before it reads the body gives an answer."""

    def refuse(connection: socket.socket) -> None:
        while b"\r\n\r\n" not in connection.recv(65_536):
            pass
        connection.sendall(b"HTTP/1.1 413 x\r\nContent-Length: 0\r\n\r\n")
        if reads:
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass

    with raw_receiver(refuse, reads=False) as receiver:
        answer = sender_of().post(f"http://127.0.0.1:{receiver.port}", {}, b"x" * 4_000_000)
    assert answer.status == 413


@pytest.fixture(scope="module")
def any_sender() -> Sender:
    """Return one sender for many requests."""
    return Sender(Rules(allow=AllowList.parse("127.0.0.1")))


_PIECES = st.one_of(
    st.sampled_from(
        [
            *(HEAD, CHUNKED, OK, b"HTTP/1.1 100 \r\n\r\n", b"HTTP/1.1 103 \r\n", b"\r\n", b"\n"),
            *(b"Content-Length: 5\r\n", b"Content-Length: -1\r\n", b"Retry-After: 5\r\n", b": "),
            *(b"-5\r\n", b"0\r\n", b"5\r\nabcde\r\n", b"ffffffffffffffff\r\n", b" ", b"\0"),
        ]
    ),
    st.binary(max_size=20),
)


@given(pieces=st.lists(_PIECES, max_size=8))
@settings(max_examples=200)
def test_any_response(any_sender: Sender, pieces: list[bytes]) -> None:
    """Any bytes of a receiver are an answer with a final status or a failure of the protocol."""
    with raw_receiver(sends(*pieces)) as receiver:
        try:
            answer = any_sender.post(f"http://127.0.0.1:{receiver.port}", {}, b"")
        except SendingFailed as error:
            kind = error.kind
        else:
            kind = "protocol"
            assert 200 <= answer.status <= 999
            assert len(answer.body) <= 16_384
            assert re.fullmatch("[ -~]*", answer.retry_after or "")
    assert kind == "protocol"
