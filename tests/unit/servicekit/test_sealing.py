"""Secrets at rest: sealed under keys of a file, and opened only in their place."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.sealing import KeyRing, SealingError, SealingKeyError

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.b64encode(bytes(range(32, 64))).decode()
PLACE = "endpoint/acme/ep_1"
RING = KeyRing(Path("keys"), {"new": bytes(range(32)), "old": bytes(range(32, 64))})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a file of keys that does not exist."""
    return tmp_path / "keys"


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@given(secret=st.binary(max_size=200), context=st.text(st.characters(exclude_categories=["Cs"])))
def test_a_sealed_secret_opens_in_its_place(secret: bytes, context: str) -> None:
    """Each secret opens with the context that sealed it."""
    assert RING.open(RING.seal(secret, context), context) == secret


@given(
    context=st.text(st.characters(exclude_categories=["Cs"])),
    other=st.text(st.characters(exclude_categories=["Cs"])),
)
def test_a_copied_secret_does_not_open(context: str, other: str) -> None:
    """A sealed text opens with no other context."""
    if context == other:
        other += "."
    sealed = RING.seal(b"secret", context)
    with pytest.raises(SealingError, match="for another place"):
        RING.open(sealed, other)


@pytest.mark.parametrize("length", [30, 31, 32])
def test_each_change_is_refused(length: int) -> None:
    """A sealed text of which one character was replaced, removed or added does not open."""
    sealed = RING.seal(b"x" * length, PLACE)
    for at in range(len(sealed)):
        for new in ("", "A", "B", "=", "-", "\n", ".", "é", sealed[at] * 2):
            changed = sealed[:at] + new + sealed[at + 1 :]
            if changed == sealed:
                continue
            with pytest.raises(SealingError):
                RING.open(changed, PLACE)


def test_each_changed_bit_of_the_last_character_is_refused() -> None:
    """No other last character opens, although some of its bits belong to no byte."""
    sealed = RING.seal(b"x" * 31, PLACE)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    opened = []
    for last in alphabet:
        try:
            RING.open(sealed[:-1] + last, PLACE)
        except SealingError:
            continue
        opened.append(last)
    assert opened == [sealed[-1]]


def test_a_secret_is_sealed_differently_each_time() -> None:
    """Two sealed texts of one secret differ, so a reader of the rows sees no equal secrets."""
    assert RING.seal(b"secret", PLACE) != RING.seal(b"secret", PLACE)


def test_the_first_key_seals_and_all_keys_open() -> None:
    """A text that an old key sealed opens, and a new text names the first key."""
    old = KeyRing(Path("keys"), {"old": bytes(range(32, 64))}).seal(b"secret", PLACE)
    assert KeyRing.key_id_of(old) == "old"
    assert RING.open(old, PLACE) == b"secret"
    assert RING.current_id == RING.key_id_of(RING.seal(b"secret", PLACE)) == "new"


def test_a_missing_key_is_named() -> None:
    """The error for a text of an unknown key names the id of this key."""
    sealed = KeyRing(Path("keys"), {"k7": b"k" * 32}).seal(b"secret", PLACE)
    with pytest.raises(SealingError, match="with the key k7"):
        RING.open(sealed, PLACE)


@pytest.mark.parametrize("text", ["", "new", "new.", ".AAAA", "new.AAAA", "a b." + "A" * 44])
def test_another_text_has_no_key_id(text: str) -> None:
    """A text that no ring sealed has no key id."""
    with pytest.raises(SealingError, match="not a sealed secret"):
        KeyRing.key_id_of(text)


def test_a_ring_shows_no_key() -> None:
    """The representation of a ring contains its ids and none of its keys."""
    assert repr(RING) == "KeyRing('keys', ['new', 'old'])"


def test_a_new_file_has_one_key(path: Path) -> None:
    """A created file has mode 0600 and one key, and `load` reads the same ring."""
    made = KeyRing.create(path)
    assert mode_of(path) == 0o600
    assert len(path.read_text().splitlines()) == 1
    assert KeyRing.load(path).open(made.seal(b"secret", PLACE), PLACE) == b"secret"


def test_an_existing_file_is_kept(path: Path) -> None:
    """`create` returns the ring of a file that exists, and does not change the file."""
    text = f"# mine\nfirst {KEY}\n"
    written(path, text)
    assert KeyRing.create(path).current_id == "first"
    assert path.read_text() == text


def test_an_unusable_file_is_never_replaced(path: Path) -> None:
    """`create` refuses a file without a key instead of writing a key into it."""
    written(path, "")
    with pytest.raises(SealingKeyError, match="contains no key"):
        KeyRing.create(path)
    assert path.read_text() == ""


def test_comments_and_empty_lines_are_no_keys(path: Path) -> None:
    """A file may contain comments, empty lines and Windows line ends."""
    written(path, f"# keys\r\n\r\n  new {KEY}\r\n\told\t{OTHER_KEY}  \n#end")
    assert repr(KeyRing.load(path)) == f"KeyRing({str(path)!r}, ['new', 'old'])"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "contains no key: add a line"),
        ("# nothing\n", "contains no key: add a line"),
        (f"a {KEY}\n\n# b\na {OTHER_KEY}\n", "line 4: the id a occurs twice"),
        (f"a {KEY}\nb {KEY}\n", "line 2: b repeats an earlier key"),
        (f"{KEY}\n", "line 1: write an id, a space and the key"),
        (f"a b {KEY}\n", "line 1: write an id, a space and the key"),
        (f"a.b {KEY}\n", "line 1: the id is not 1 to 64 letters"),
        (f"{'a' * 65} {KEY}\n", "line 1: the id is not 1 to 64 letters"),
        ("a !!!!\n", "line 1: the key of a is not base 64"),
        (f"a {KEY[:-1]}\n", "line 1: the key of a is not base 64"),
        ("a AAAA\n", "line 1: the key of a has 3 bytes: write 32 random bytes"),
        (f"a {KEY}\nb {base64.b64encode(b'k' * 33).decode()}", "line 2: the key of b has 33 bytes"),
        (f"ä {KEY}\n", "not ASCII"),
        ("#" * 65_537, "larger than 65536 bytes"),
    ],
)
def test_a_wrong_file_is_refused(path: Path, text: str, message: str) -> None:
    """The error for a wrong file names the file, its line and the remedy, and contains no key."""
    written(path, text)
    with pytest.raises(SealingKeyError, match=message) as raised:
        KeyRing.load(path)
    assert str(path) in str(raised.value)
    assert KEY[:-1] not in str(raised.value)


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601, 0o644, 0o777])
def test_a_file_for_everyone_is_refused(path: Path, mode: int) -> None:
    """A file that other users may read or write is refused with the command that corrects it."""
    written(path, f"a {KEY}\n", mode)
    with pytest.raises(SealingKeyError, match=f"mode {mode:04o} .* chmod o= {path}"):
        KeyRing.load(path)


def test_a_group_may_read(path: Path) -> None:
    """A file that its group may read is usable: Kubernetes mounts secrets with mode 0440."""
    assert KeyRing.load(written(path, f"a {KEY}\n", 0o440)).current_id == "a"


def test_a_missing_file_is_named(path: Path) -> None:
    """The error for a missing file names it and says what to do."""
    with pytest.raises(SealingKeyError, match=f"{path}: .*No such file.*create the file"):
        KeyRing.load(path)


@pytest.mark.parametrize("folder", ["missing", "a file"])
def test_a_file_that_cannot_be_made_is_named(tmp_path: Path, folder: str) -> None:
    """`create` in a folder that cannot have the file raises an error that names the file."""
    (tmp_path / "a file").touch()
    with pytest.raises(SealingKeyError, match="keys: cannot be written"):
        KeyRing.create(tmp_path / folder / "keys")


def test_a_new_key_becomes_the_first(path: Path) -> None:
    """An added key seals, the old key still opens, and the other lines and the mode stay."""
    old = KeyRing.load(written(path, f"# ours\na {KEY}\n# last", 0o640))
    sealed = old.seal(b"secret", PLACE)
    new = old.added(path)
    lines = path.read_text().splitlines()
    assert [lines[0], *lines[2:]] == ["# ours", f"a {KEY}", "# last"]
    assert lines[1].split()[0] == new.current_id != "a"
    assert new.open(sealed, PLACE) == b"secret"
    assert mode_of(path) == 0o640
    assert old.current_id == "a"


def test_the_umask_does_not_matter(path: Path) -> None:
    """An added key keeps the mode of the file under a strict umask."""
    ring = KeyRing.load(written(path, f"a {KEY}\n", 0o640))
    before = os.umask(0o077)
    try:
        ring.added(path)
    finally:
        os.umask(before)
    assert mode_of(path) == 0o640


def test_the_owner_of_the_folder_can_read(path: Path) -> None:
    """A new file and its lock have the owner of the folder, so the service can read root's file."""
    if os.geteuid() == 0:
        os.chown(path.parent, 65534, 65534)
    KeyRing.create(path).added(path)
    owner = path.parent.stat().st_uid
    assert {file.stat().st_uid for file in path.parent.iterdir()} == {owner}
    assert len(list(path.parent.iterdir())) == 2


def test_a_key_is_added_to_the_file_not_to_the_ring(path: Path) -> None:
    """A key that another process added stays when a ring that does not know it adds a key."""
    ring = KeyRing.create(path)
    second = ring.added(path)
    third = ring.added(path)
    assert third.open(second.seal(b"secret", PLACE), PLACE) == b"secret"


def test_an_old_key_is_removed(path: Path) -> None:
    """A removed key opens nothing, and the other lines of the file stay."""
    ring = KeyRing.load(written(path, f"new {KEY}\n# old\nold {OTHER_KEY}\n"))
    sealed = KeyRing(path, {"old": bytes(range(32, 64))}).seal(b"secret", PLACE)
    left = ring.without(path, "old")
    assert path.read_text() == f"new {KEY}\n# old\n"
    with pytest.raises(SealingError, match="with the key old"):
        left.open(sealed, PLACE)


@pytest.mark.parametrize(("key_id", "message"), [("new", "current key"), ("k7", "no key k7")])
def test_the_current_key_is_not_removed(path: Path, key_id: str, message: str) -> None:
    """The current key and an unknown key cannot be removed, and the file stays as it is."""
    text = f"new {KEY}\nold {OTHER_KEY}\n"
    ring = KeyRing.load(written(path, text))
    with pytest.raises(SealingKeyError, match=message):
        ring.without(path, key_id)
    assert path.read_text() == text
