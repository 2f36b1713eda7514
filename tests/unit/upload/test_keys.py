"""Tests of keys, prefixes, file names and labels: which are accepted, and in which form."""

# ruff: noqa: RUF001 -- the test data has letters of other scripts

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servicekit.keys
from servicekit.name_characters import first_misplaced
from wharf_upload.domain import keys

FLAG = "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
NAME_CHARACTERS = st.sampled_from("a.:/\\ \xadیخ\u200c\u200d\u200e\u202e👩🏽e\u0301\x00")
SEGMENTS = st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1, max_size=60)


@pytest.mark.parametrize(
    "key",
    [
        "a",
        "a/b/c.txt",
        "日本語.txt",
        "🦊.txt",
        "头像.jpg",
        "...",
        "a..b",
        ".htaccess",
        "-rf",
        "CON",
        "a b",
        "a\\b",
        "x.",
        "x ",
        "%2e%2e%2f",
        "$(hostname).txt",
        "❤\ufe0f.png",
        "می\u200cخواهم/کتاب\u200cها.txt",
        "👨\u200d👩\u200d👧.jpg",
        "a" * 255,
        "/".join(["a" * 255] * 4),
    ],
)
def test_plain_keys_are_kept(key: str) -> None:
    """Keys that are difficult only for other systems are accepted unchanged."""
    assert keys.object_key(key.encode()) == key
    assert keys.object_key_text(key) == key


@pytest.mark.parametrize(
    "raw",
    [b"", b"/", b"/a", b"a/", b"a//b", b".", b"..", b"../a", b"a/..", b"a/./b", b"..\\a", b"a\\.."]
    + [b"a\x00b", b"a\rb", b"a\nb", b"a\x1b[0m", b"a\x7f", "a\x85b".encode()]
    + [f"a{char}b".encode() for char in "\u202e\u2066\u200e\u061c\u200b\u200d\u2060\ufeff\u180e"]
    + ["a\u2028b".encode(), "a\u2029b".encode(), "a\U000e0041".encode()]
    + [b"\xc0\xaf", b"\xc0\xae\xc0\xae/a", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xff", b"caf\xe9"]
    + [b"a" * 256, b"a" * 4096, "é".encode() * 128, b"/".join([b"a" * 200] * 6)]
    + [b"a/" * 512 + b"a", "e\u0301".encode() * 5000],
)
def test_bad_keys_are_refused(raw: bytes) -> None:
    """Traversal, controls, invisible characters, overlong UTF-8 and long keys raise InvalidKey."""
    with pytest.raises(keys.InvalidKey):
        keys.object_key(raw)


@pytest.mark.parametrize("text", ["a\ud800", "a/../b", "", "a\n", "a" * 5000, "a" * 100_000])
def test_bad_texts_are_refused(text: str) -> None:
    """Any bad text raises InvalidKey, a lone surrogate from JSON included."""
    with pytest.raises(keys.InvalidKey):
        keys.object_key_text(text)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("a/b\u202ec.txt".encode(), '"a/b<U+202E>c.txt" holds U+202E RIGHT-TO-LEFT OVERRIDE at'),
        ("\u200ea.txt".encode(), '"<U+200E>a.txt" holds U+200E LEFT-TO-RIGHT MARK at position 1'),
        ("Donau\xaddampf".encode(), "U+00AD SOFT HYPHEN at position 6. Control,"),
        # The position counts in the text that was sent, which is longer than its NFC form.
        ("e\u0301\u200b".encode(), "U+200B ZERO WIDTH SPACE at position 3"),
        (b"a\x00", '"a<U+0000>" holds U+0000 CONTROL CHARACTER at position 2'),
        (b"caf\xe9", '"caf\ufffd" is not UTF-8: its byte 4 is 0xE9'),
        (b"a/../b", '"a/../b"'),
        (b"x" * 300, f'"{"x" * 100}…" is longer than 255 bytes'),
    ],
)
def test_a_refusal_names_key_and_character(raw: bytes, said: str) -> None:
    """The message has the key, the bad character, and its position in the text that was sent."""
    with pytest.raises(keys.InvalidKey, match=re.escape(said)):
        keys.object_key(raw)


def test_a_refusal_has_members() -> None:
    """The error has name, character and position as members for programs."""
    with pytest.raises(keys.InvalidFileName) as caught:
        keys.file_name("C:\\x\\ab\u202egpj.exe")
    assert caught.value.members == {
        "name": "ab<U+202E>gpj.exe",
        "character": "U+202E",
        "position": 3,
    }


def test_keys_become_nfc() -> None:
    """NFC and NFD spellings give one key; ligatures and case stay different."""
    assert keys.object_key("cafe\u0301".encode()) == "caf\xe9"
    assert keys.object_key_text("\ufb01.txt") == "\ufb01.txt" != keys.object_key_text("fi.txt")
    assert keys.object_key(b"A.txt") != keys.object_key(b"a.txt")


def test_the_limit_counts_bytes_after_nfc() -> None:
    """The limit of 1024 bytes applies to a key's NFC form, even if its NFD form is longer."""
    nfc = "/".join(["é" * 127] * 4) + "/" + "abcd"
    assert len(nfc.encode()) == keys.MAX_KEY_BYTES
    assert keys.object_key(unicodedata.normalize("NFD", nfc).encode()) == nfc


@given(st.binary(max_size=64))
def test_any_bytes_give_a_clean_key_or_invalid_key(raw: bytes) -> None:
    """Any bytes give a valid key in NFC, or raise InvalidKey."""
    try:
        key = keys.object_key(raw)
    except keys.InvalidKey:
        return
    assert key == unicodedata.normalize("NFC", key)
    assert first_misplaced(key) is None
    assert not {"", ".", ".."} & set(key.split("/"))
    assert keys.object_key(key.encode()) == key


@given(st.text(st.sampled_from("a.b/\\é \x00"), max_size=12))
def test_the_fast_path_agrees_with_the_slow_one(text: str) -> None:
    """The quick expression and the full check accept the same texts."""

    def outcome(check: object) -> str | None:
        try:
            return check(text)  # type: ignore[operator,no-any-return]
        except keys.InvalidKey:
            return None

    assert outcome(keys.object_key_text) == outcome(servicekit.keys._checked_key)
    assert outcome(lambda value: keys.object_key(value.encode())) == outcome(
        servicekit.keys._checked_key
    )


@pytest.mark.parametrize("text", ["", "a", "a/", "a/b", "日本/", "a/می\u200c", "👩\u200d"])
def test_prefixes_may_be_empty_or_end_in_a_slash(text: str) -> None:
    """A prefix may be empty, end with "/", or end within a word."""
    assert keys.prefix(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("/", "a//", "../", "..", "a/../", "a\x00", "a" * 1025),
        *("a\u200db", "a\u200d\u200d", "a\u200d/", "a\u202e"),
    ],
)
def test_bad_prefixes_are_refused(text: str) -> None:
    """A prefix cannot contain what a key cannot contain."""
    with pytest.raises(keys.InvalidKey):
        keys.prefix(text)


def test_the_slash_of_a_prefix_counts() -> None:
    """A prefix of 1024 bytes plus a slash is too long."""
    longest = "/".join(["a" * 204] * 4 + ["b" * 204])
    assert len(longest) == 1024
    assert keys.prefix(longest) == longest
    with pytest.raises(keys.InvalidKey):
        keys.prefix(longest + "/")


@pytest.mark.parametrize("name", ["abc", "a-b", "0a9", "a" * 63, "a--b"])
def test_labels_are_kept(name: str) -> None:
    """Names of 3 to 63 lower-case letters, digits and inner hyphens are accepted."""
    assert keys.bucket_name(name) == keys.tenant_name(name) == name


@pytest.mark.parametrize("name", ["", "ab", "-ab", "ab-", "Abc", "a_b", "a" * 64, "abc\n", "äbc"])
def test_bad_labels_are_refused(name: str) -> None:
    """Any other name is refused, one with a trailing newline included."""
    with pytest.raises(keys.InvalidBucketName):
        keys.bucket_name(name)
    with pytest.raises(keys.InvalidTenantName):
        keys.tenant_name(name)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("photo.jpg", "photo.jpg"),
        ("C:\\Users\\me\\photo.jpg", "photo.jpg"),
        ("/home/me/photo.jpg", "photo.jpg"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("cafe\u0301.txt", "caf\xe9.txt"),
        (".htaccess", ".htaccess"),
        ("CON", "CON"),
        ("x. ", "x. "),
        ("C:\\Users\\me\\\u200ephoto.jpg", "photo.jpg"),
        ("Donau\xaddampf.txt", "Donaudampf.txt"),
        ("می\u200cخواهم.txt", "می\u200cخواهم.txt"),
        ("👩🏽\u200d💻.png", "👩🏽\u200d💻.png"),
    ],
)
def test_file_names_lose_their_path(sent: str, kept: str) -> None:
    r"""A file name is what follows the last separator, "/" or "\", in NFC."""
    assert keys.file_name(sent) == kept


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/",
        "a\\..",
        "a\x00",
        "a\r\nb",
        "a\u202egpj.exe",
        "a\u200b",
        "a" * 256,
        "é" * 128,
        "a" * 4096,
        "e\u0301" * 50_000,
        "a\ud800",
        "a\u200eb",
        "a\u200db",
        "\xad",
        "\u200e..",
    ],
)
def test_bad_file_names_are_refused(name: str) -> None:
    """Empty, dotted, long and deceptive names raise InvalidFileName."""
    with pytest.raises(keys.InvalidFileName):
        keys.file_name(name)


@given(st.text(NAME_CHARACTERS, max_size=16))
def test_a_file_name_is_a_key_of_its_own(text: str) -> None:
    """An accepted file name is one segment of a key, and is accepted unchanged again."""
    try:
        name = keys.file_name(text)
    except keys.InvalidFileName:
        return
    assert "/" not in name
    assert "\\" not in name
    assert keys.file_name(name) == name == keys.object_key_text(name)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("photos/2026/a.jpg", "photos/2026/a.jpg"),
        ("a.jpg", "a.jpg"),
        ("/photos/a.jpg", "photos/a.jpg"),
        ("photos\\2026\\a.jpg", "photos/2026/a.jpg"),
        ("./photos/./a.jpg", "photos/a.jpg"),
        ("cafe\u0301/\u200ea.jpg", "caf\xe9/a.jpg"),
        (".../a", ".../a"),
        ("a:b/c", "a:b/c"),
    ],
)
def test_paths_inside_of_a_folder(sent: str, kept: str) -> None:
    """A relative path keeps its folders, with separators of either system."""
    assert keys.relative_path(sent) == kept


@pytest.mark.parametrize(
    "path",
    [
        "../a",
        "a/../b",
        "a/..",
        "a\\..\\b",
        "..\\a",
        "//server/share/a",
        "\\\\server\\share\\a",
        "C:\\Users\\me\\a.jpg",
        "c:/a.jpg",
        "/C:/a.jpg",
        "a//b",
        "a/",
        "a/.",
        "",
        "a\u202e/b",
        "a/b\x00",
        "x" * 256 + "/a",
        "\xad/a",
    ],
)
def test_paths_out_of_a_folder_are_refused(path: str) -> None:
    """A path is refused if it climbs out, begins at a root or drive, or has a bad segment."""
    with pytest.raises(keys.InvalidFileName):
        keys.relative_path(path)


@given(st.text(NAME_CHARACTERS, max_size=20))
def test_a_relative_path_is_a_key_inside(text: str) -> None:
    """An accepted path is a key below its folder, and is accepted unchanged again."""
    try:
        path = keys.relative_path(text)
    except keys.InvalidFileName:
        return
    assert keys.object_key_text("folder/" + path) == "folder/" + path
    assert keys.relative_path(path) == path


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("a/photo.jpg", "a/photo (2).jpg"),
        ("photo", "photo (2)"),
        (".htaccess", ".htaccess (2)"),
        ("a/.env.local", "a/.env (2).local"),
        ("x/data.tar.gz", "x/data (2).tar.gz"),
        (".tar.gz", ".tar.gz (2)"),
        ("v1.2/notes", "v1.2/notes (2)"),
        ("a.", "a (2)."),
        ("Mr. Smith goes", "Mr. Smith goes (2)"),
    ],
)
def test_renaming_keeps_the_extension(key: str, expected: str) -> None:
    """The number comes before the extension, and only the last segment changes."""
    assert keys.renamed(key, 2) == expected


@given(st.lists(SEGMENTS, min_size=1, max_size=8), st.integers(1, 10**6))
def test_a_renamed_key_is_a_key(segments: list[str], n: int) -> None:
    """A renamed key is another valid key, or raises InvalidKey."""
    try:
        key = keys.object_key_text("/".join(segments))
        renamed = keys.renamed(key, n)
    except keys.InvalidKey:
        return
    assert renamed != key
    assert keys.object_key_text(renamed) == renamed


@pytest.mark.parametrize(
    "stem",
    ["a" * 251, "é" * 125, "日" * 83, "🦊" * 62, "👩\u200d👩" * 22 + "a" * 9, FLAG * 8 + "a" * 27],
)
def test_long_names_are_cut_between_characters(stem: str) -> None:
    """A long name is cut between characters to at most 255 bytes."""
    renamed = keys.renamed(f"{stem}.jpg", 12)
    assert len(renamed.encode()) <= 255
    assert renamed.endswith(" (12).jpg")
    assert stem.startswith(renamed.removesuffix(" (12).jpg"))
    assert keys.object_key_text(renamed) == renamed


def test_a_key_without_room_cannot_be_renamed() -> None:
    """A key whose folder uses up the 1024 bytes cannot be renamed."""
    with pytest.raises(keys.InvalidKey):
        keys.renamed("/".join(["a" * 254] * 4) + "/xy", 2)
