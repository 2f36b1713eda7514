"""Tests of the frames that the live channel passes on to engineio and socketio."""

from __future__ import annotations

import json

from engineio.packet import Packet as EnginePacket
from hypothesis import given
from hypothesis import strategies as st
from socketio.packet import Packet as SocketPacket

from wharf_upload.live.frames import is_well_formed, is_well_formed_body

_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner)),
    max_leaves=8,
)
_NAMES = st.text(min_size=1).filter(
    lambda name: name not in {"connect", "connect_error", "disconnect", "disconnecting", "*"}
)
_FRAMES = st.one_of(
    st.text(max_size=60), st.text('0123456789-/,[]{}":a', min_size=1, max_size=20).map("4".__add__)
)


@given(_FRAMES)
def test_what_passes_can_be_read(frame: str) -> None:
    """engineio and socketio can decode each accepted frame, and no accepted frame names a reserved
    event.
    """
    if not is_well_formed(frame):
        return
    read = EnginePacket(encoded_packet=frame)
    if frame[0] != "4":
        return
    assert isinstance(read.data, str)
    message = SocketPacket(encoded_packet=read.data)
    if message.packet_type == 2:
        assert message.data[0] not in {"connect", "disconnect", "*"}


@given(name=_NAMES, document=_JSON)
def test_what_clients_send_passes(name: str, document: object) -> None:
    """The frames of a stock client are accepted: events, connect, disconnect, pong and probe."""
    event = SocketPacket(2, data=[name, document], id=7).encode()
    assert is_well_formed(f"4{event}")
    assert is_well_formed(f"40{json.dumps({'token': name})}")
    assert is_well_formed("40")
    assert is_well_formed("41")
    assert is_well_formed("3")
    assert is_well_formed("2probe")


@given(document=_JSON)
def test_nothing_binary_passes(document: object) -> None:
    """Binary frames, and messages that announce binary frames, are refused."""
    assert not is_well_formed(b"\0")
    assert not is_well_formed(f"451-{json.dumps(['a', document])}")


@given(st.binary(max_size=60))
def test_any_body(body: bytes) -> None:
    """A body of any bytes is accepted only if each of its packets is a well-formed frame."""
    if is_well_formed_body(body):
        assert all(is_well_formed(one) for one in body.decode().split("\x1e"))


def test_packets_of_websockets_do_not_come_by_http() -> None:
    """A body over HTTP may contain only the packets close, pong and message."""
    assert is_well_formed_body(b'3\x1e42["a"]\x1e1')
    for packet in (b"2", b"2probe", b"5", b"6"):
        assert not is_well_formed_body(b"3\x1e" + packet)
