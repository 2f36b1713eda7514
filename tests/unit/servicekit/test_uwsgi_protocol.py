"""The uwsgi protocol as nginx speaks it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.uwsgi_protocol import (
    HEADER_BYTES,
    MalformedPacket,
    environ_of,
    packet_of,
    response_of,
    size_of,
)

TEXT = st.text(st.characters(max_codepoint=255), max_size=40)
NEEDED = {"REQUEST_METHOD": "GET", "REQUEST_URI": "/"}


@given(st.dictionaries(TEXT, TEXT, max_size=20))
def test_variables_come_back(variables: dict[str, str]) -> None:
    """Variables that are packed and unpacked stay unchanged."""
    packet = packet_of({**variables, **NEEDED})
    assert size_of(packet[:HEADER_BYTES]) == len(packet) - HEADER_BYTES
    assert environ_of(packet[HEADER_BYTES:]) == {**variables, **NEEDED}


def test_a_header_field_in_two_lines() -> None:
    """Several lines of one header field become one list (RFC 9110, 5.3).

    For another variable that is repeated, the last value counts.
    """
    lines = [("HTTP_A", "1"), ("OTHER", "1"), ("HTTP_A", "2"), ("OTHER", "2"), ("HTTP_A", "3")]
    packet = b"".join(
        packet_of({name: value})[HEADER_BYTES:] for name, value in [*lines, *NEEDED.items()]
    )
    assert environ_of(packet) == {"HTTP_A": "1, 2, 3", "OTHER": "2", **NEEDED}


@given(st.binary(max_size=200))
def test_nonsense_is_refused(packet: bytes) -> None:
    """Any bytes are parsed as a request or cause the error `MalformedPacket`."""
    try:
        environ = environ_of(packet)
    except MalformedPacket:
        return
    assert environ["REQUEST_METHOD"] is not None


def test_other_kinds_of_packets() -> None:
    """Each of the 255 kinds of packets that are no requests is refused: uWSGI's own commands."""
    for modifier in range(1, 256):
        with pytest.raises(MalformedPacket):
            size_of(bytes([modifier, 0, 0, 0]))


def test_answers() -> None:
    """A response states the length of its body. A response that has no body states no length."""
    assert response_of(204, [("A", "b")], b"") == b"HTTP/1.1 204 No Content\r\nA: b\r\n\r\n"
    assert response_of(460, [], b"x") == (b"HTTP/1.1 460 Refused\r\nContent-Length: 1\r\n\r\nx")
