"""Tests of the tokens of signed links, and of the keys that sign them."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.database import DatabaseUnavailable
from servicekit.reaches import Maker
from wharf_upload.access import links
from wharf_upload.access.links import BadLink, Link, LinkKeys

KEY, OTHER = b"k" * 32, b"o" * 32
NOW = 1_795_000_000
LINK = Link(
    tenant="acme",
    bucket="photos",
    target="a/b.png",
    is_prefix=False,
    expires_at=NOW + 60,
    disposition="inline",
)
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_links = st.builds(
    Link,
    tenant=st.from_regex(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", fullmatch=True),
    bucket=st.text(min_size=1, max_size=20),
    target=st.text(max_size=300),
    is_prefix=st.booleans(),
    expires_at=st.integers(NOW + 1, NOW + 10**8),
    disposition=st.sampled_from(["inline", "attachment"]),
    name=st.text(max_size=50),
    maker=st.none()
    | st.builds(
        Maker,
        st.text(max_size=40),
        st.integers(0, 1 << 50),
        st.booleans(),
        st.lists(st.text(max_size=40), max_size=16).map(tuple),
        st.text(max_size=40),
    ),
)


def verified(token: str, now: float = NOW) -> Link:
    return links.verify(token, {"acme": KEY}.get, now)


@given(_links)
def test_a_token_says_what_was_signed(link: Link) -> None:
    """A token decodes to the signed link, with its tenant's key only."""
    token = links.sign(link, KEY)
    assert set(token) <= set(_LETTERS)
    assert links.verify(token, lambda _: KEY, NOW) == link
    with pytest.raises(BadLink):
        links.verify(token, lambda _: OTHER, NOW)
    with pytest.raises(BadLink):
        links.verify(token, lambda _: None, NOW)


def test_a_token_may_end_with_any_character() -> None:
    """A token with any last character decodes correctly."""
    ends = set()
    for seconds in range(1, 1000):
        link = msgspec.structs.replace(LINK, target="a/bc.png", expires_at=NOW + seconds)
        token = links.sign(link, KEY)
        ends.add(token[-1])
        assert verified(token) == link
    assert ends == set(_LETTERS)


@given(st.data())
def test_any_other_character_is_refused(data: st.DataObject) -> None:
    """A token with any one character changed, added or removed is refused."""
    token = links.sign(LINK, KEY)
    at = data.draw(st.integers(0, len(token) - 1))
    kind = data.draw(st.sampled_from(["change", "insert", "remove"]))
    other = data.draw(st.sampled_from(_LETTERS + "=+/. %é\0"))
    changed = {
        "change": token[:at] + other + token[at + 1 :],
        "insert": token[:at] + other + token[at:],
        "remove": token[:at] + token[at + 1 :],
    }[kind]
    if changed == token:
        return
    with pytest.raises(BadLink):
        verified(changed)


def test_every_bit_counts() -> None:
    """A token with any one bit of its bytes changed is refused."""
    token = links.sign(LINK, KEY)
    raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    for bit in range(8 * len(raw)):
        turned = bytearray(raw)
        turned[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadLink):
            verified(urlsafe_b64encode(turned).decode().rstrip("="))


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_garbage_is_refused(raw: bytes) -> None:
    """Any other bytes are refused as a token."""
    for token in (urlsafe_b64encode(raw).decode().rstrip("="), raw.decode("latin-1")):
        with pytest.raises(BadLink):
            verified(token)


def test_links_of_other_releases() -> None:
    """A link with an unknown member of a newer release is refused, because the member may restrict
    the link; a link without the last members, as earlier releases signed it, is accepted.
    """
    members = msgspec.msgpack.decode(msgspec.msgpack.encode(LINK))

    def signed(payload: bytes) -> str:
        return urlsafe_b64encode(payload + links._mac(payload, KEY)).decode().rstrip("=")

    assert verified(signed(msgspec.msgpack.encode(members))) == LINK
    for fewer in (-1, -2, -3):
        assert verified(signed(msgspec.msgpack.encode(members[:fewer]))) == LINK
    for newer in (None, "", 1, ["10.0.0.0/8"]):
        with pytest.raises(BadLink):
            verified(signed(msgspec.msgpack.encode([*members, newer])))
    maker = msgspec.msgpack.decode(msgspec.msgpack.encode(Maker("client-1")))
    for member, good in ((maker, True), ([*maker, "newer"], False), (["client-1"], True)):
        token = signed(msgspec.msgpack.encode([*members[:7], member]))
        if good:
            assert verified(token).maker == Maker("client-1")
        else:
            with pytest.raises(BadLink):
                verified(token)


def test_another_tenant_in_the_payload() -> None:
    """A link that names another tenant than its signer's is refused."""
    mine = links.sign(msgspec.structs.replace(LINK, tenant="evil"), OTHER)
    raw = urlsafe_b64decode(mine + "=" * (-len(mine) % 4))
    payload = msgspec.msgpack.encode(LINK)
    forged = urlsafe_b64encode(payload + raw[-links.MAC_BYTES :]).decode().rstrip("=")
    for token in (mine, forged):
        with pytest.raises(BadLink):
            links.verify(token, {"acme": KEY, "evil": None}.get, NOW)


def test_who_has_no_key_has_no_link() -> None:
    """A tenant without a key has no links, not even ones signed with zeros or an empty key."""
    for key in (bytes(links.MAC_BYTES), b""):
        with pytest.raises(BadLink):
            links.verify(links.sign(LINK, key), lambda _: None, NOW)


@pytest.mark.parametrize(
    "tenant", ["", "\0", "a\0b", "x" * 3000, "../acme", "ACME", "\U0001f98a" * 20]
)
def test_only_names_are_looked_for(tenant: str) -> None:
    """A forged payload with an impossible tenant's name causes no query of the records."""
    token = links.sign(msgspec.structs.replace(LINK, tenant=tenant), OTHER)
    asked: list[str] = []

    def key_of(name: str) -> bytes | None:
        asked.append(name)
        return None

    with pytest.raises(BadLink):
        links.verify(token, key_of, NOW)
    assert asked == []


def test_expiry() -> None:
    """A link is valid until the second in which it expires."""
    token = links.sign(LINK, KEY)
    assert verified(token, LINK.expires_at - 0.001) == LINK
    with pytest.raises(BadLink):
        verified(token, LINK.expires_at)


def test_a_long_token_is_not_looked_at() -> None:
    """A token above the maximum length is refused before it is decoded."""
    payload = len(links.sign(LINK, KEY)) * 3 // 4
    more = links.MAX_TOKEN_CHARACTERS * 3 // 4 - payload - 2
    longest = msgspec.structs.replace(LINK, target=LINK.target + "x" * more)
    token = links.sign(longest, KEY)
    assert len(token) == links.MAX_TOKEN_CHARACTERS
    assert verified(token) == longest
    with pytest.raises(BadLink):
        verified(links.sign(msgspec.structs.replace(longest, target=longest.target + "x"), KEY))


class Source:
    """A source of keys that the test can change or make unavailable."""

    def __init__(self) -> None:
        self.keys: dict[str, bytes] = {"acme": KEY}
        self.asked = 0
        self.away = self.lost = False

    def link_key(self, tenant: str, *, create: bool = False) -> bytes | None:
        self.asked += 1
        if self.away:
            raise DatabaseUnavailable("away")
        if create:
            self.keys.setdefault(tenant, OTHER)
        return None if self.lost else self.keys.get(tenant)


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_keys_are_remembered_for_a_moment() -> None:
    """A key, or the absence of a key, is kept for two seconds. After this time a rotation
    applies.
    """
    source, clock = Source(), Clock()
    keys = LinkKeys(source, clock=clock)
    assert [keys.find("acme"), keys.find("acme"), keys.find("none"), keys.find("none")] == [
        *(KEY, KEY),
        *(None, None),
    ]
    assert source.asked == 2
    source.keys["acme"] = OTHER
    assert keys.find("acme") == KEY
    clock.now = 2.0
    assert keys.find("acme") == OTHER


def test_keys_outlive_the_database() -> None:
    """While the database is unavailable, a known key is used. An unknown key raises an error."""
    source, clock = Source(), Clock()
    keys = LinkKeys(source, clock=clock)
    keys.find("acme")
    keys.find("none")
    source.away, clock.now = True, 100.0
    assert keys.find("acme", ask=False) == KEY
    for tenant in ("none", "other"):
        with pytest.raises(DatabaseUnavailable, match=r"\Athe key of the links is not known\Z"):
            keys.find(tenant, ask=False)
    with pytest.raises(DatabaseUnavailable):
        keys.find("acme")


def test_a_key_is_made_once() -> None:
    """Signing creates a missing key, and uses an existing key."""
    source = Source()
    keys = LinkKeys(source, clock=Clock())
    assert (keys.make("new"), keys.make("acme")) == (OTHER, KEY)
    assert (keys.find("new"), source.asked) == (OTHER, 2)
    source.lost = True
    with pytest.raises(DatabaseUnavailable, match=r"\Athe key of the links was not stored\Z"):
        keys.make("acme")


def test_a_forgotten_key_is_asked_anew() -> None:
    """The process that rotates a key uses the new key immediately."""
    source, clock = Source(), Clock()
    keys = LinkKeys(source, clock=clock)
    keys.find("acme")
    source.keys["acme"] = OTHER
    keys.forget("acme")
    keys.forget("nobody")
    assert keys.find("acme") == OTHER


def test_the_newest_key() -> None:
    """The newest key is read from the records, although the process has cached an older one."""
    source = Source()
    keys = LinkKeys(source, clock=Clock())
    keys.find("acme")
    source.keys["acme"] = OTHER
    assert (keys.find("acme"), keys.find_newest("acme"), keys.find("acme")) == (KEY, OTHER, OTHER)


def test_memory_is_bounded() -> None:
    """The memory for keys is bounded, however many tenants are named."""
    source = Source()
    keys = LinkKeys(source, clock=Clock(), entries=10)

    def ask(*numbers: int) -> int:
        before = source.asked
        for number in numbers:
            keys.find(f"tenant-{number}")
        return source.asked - before

    assert (ask(*range(10)), ask(*range(10))) == (10, 0)
    assert (ask(10), ask(10), ask(0)) == (1, 0, 1)
