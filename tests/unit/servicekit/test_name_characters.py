"""Invisible characters in names: allowed if a word or an emoji needs them, otherwise refused."""

# ruff: noqa: RUF001 -- letters of other scripts are what this is about.

from __future__ import annotations

import unicodedata

import pytest
import regress
from hypothesis import given
from hypothesis import strategies as st
from idna.core import valid_contextj

from servicekit import name_characters
from servicekit.name_characters import FORBIDDEN, display_name, first_misplaced, shown

# Words and emoji as people write them, each with an invisible character.
WRITTEN = {
    "Persian, I want": "می\u200cخواهم",
    "Persian, books": "کتاب\u200cها",
    "Persian, of the house": "خانه\u200cی",
    "Persian, with a mark": "می\u064e\u200cخواهم",
    "Kurdish": "ئه\u200cو",
    "Hindi, without a ligature": "क्\u200cष",
    "Hindi, half a letter": "क्\u200dष",
    "Marathi, eyelash ra": "र्\u200dय",
    "Sinhala, Sri Lanka": "ශ්\u200dරී ලංකා",
    "Malayalam, chillu of old": "ന്\u200d",
    "Bengali, with ya": "র\u200d\u09cdযাব",
    "Kannada, with ra": "ರ\u200d\u0ccdಕ",
    "Tamil, without a ligature": "க்\u200cஷ",
    "Mongolian, with its last vowel apart": "ᠬᠠᠷ\u180eᠠ",
    "Urdu": "نستعلیق\u200cفونٹ",
    "Old Hangul, a syllable without a vowel": "\u1100\u1160\u11a8",
    "Old Hangul, with letters of the extensions": "\ua960\u1160\ud7cb",
    "a family": "👨\u200d👩\u200d👧\u200d👦",
    "a woman with a skin colour at work": "👩🏽\u200d💻",
    "a rainbow flag": "🏳\ufe0f\u200d🌈",
    "a rainbow flag without its selector": "🏳\u200d🌈",
    "a pirates' flag": "🏴\u200d☠\ufe0f",
    "a heart on fire": "❤\ufe0f\u200d🔥",
    "a man who runs to the right": "🏃\u200d♂\ufe0f\u200d➡\ufe0f",
    "a detective": "🕵🏻\u200d♀\ufe0f",
    "an emoji newer than some Pythons": "🫨\u200d🔥",
    "Scotland": "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "Texas": "🏴\U000e0075\U000e0073\U000e0074\U000e0078\U000e007f",
}
ZWNJ, ZWJ, TAG = "\u200c", "\u200d", "\U000e0067"
# Names in which an invisible character has no meaning, and the message about the character.
MEANINGLESS = [
    ("invoice\u200dgpj.exe", "U+200D ZERO WIDTH JOINER at position 8"),
    ("a\u200cb", "U+200C ZERO WIDTH NON-JOINER at position 2"),
    ("\u200da", "U+200D ZERO WIDTH JOINER at position 1"),
    ("a\u200c", "U+200C ZERO WIDTH NON-JOINER at position 2"),
    ("ب\u200c", "U+200C ZERO WIDTH NON-JOINER at position 2"),
    ("ب\u200c.txt", "U+200C ZERO WIDTH NON-JOINER at position 2"),
    ("کار\u200cها", "U+200C ZERO WIDTH NON-JOINER at position 4"),
    ("ب\u200c\u200cه", "U+200C ZERO WIDTH NON-JOINER at position 2"),
    ("क\u200dष", "U+200D ZERO WIDTH JOINER at position 2"),
    ("日\u200d本", "U+200D ZERO WIDTH JOINER at position 2"),
    ("👩\u200d", "U+200D ZERO WIDTH JOINER at position 2"),
    ("👩\u200da", "U+200D ZERO WIDTH JOINER at position 2"),
    ("a\ufe0f\u200d👩", "U+200D ZERO WIDTH JOINER at position 3"),
    ("👩\u200d\u200d👩", "U+200D ZERO WIDTH JOINER at position 2"),
    ("1\ufe0f\u200d2", "U+200D ZERO WIDTH JOINER at position 3"),
    ("a" + TAG, "U+E0067 TAG LATIN SMALL LETTER G at position 2"),
    ("🏴" + TAG, "U+E0067 TAG LATIN SMALL LETTER G at position 2"),
    ("🏴" + 8 * TAG + "\U000e007f", "U+E0067 TAG LATIN SMALL LETTER G at position 2"),
    ("👩" + 3 * TAG + "\U000e007f", "U+E0067 TAG LATIN SMALL LETTER G at position 2"),
    ("a\u180eb", "U+180E MONGOLIAN VOWEL SEPARATOR at position 2"),
    ("ᠬᠠᠷ\u180eᠬ", "U+180E MONGOLIAN VOWEL SEPARATOR at position 4"),
    ("\u3164", "U+3164 HANGUL FILLER at position 1"),
    ("a\uffa0b", "U+FFA0 HALFWIDTH HANGUL FILLER at position 2"),
    ("\u115f\u1161", "U+115F HANGUL CHOSEONG FILLER at position 1"),
    ("\u1160", "U+1160 HANGUL JUNGSEONG FILLER at position 1"),
    ("\u1100\u1160", "U+1160 HANGUL JUNGSEONG FILLER at position 2"),
    ("\u1100\u1160.txt", "U+1160 HANGUL JUNGSEONG FILLER at position 2"),
    ("\u1160\u11a8", "U+1160 HANGUL JUNGSEONG FILLER at position 1"),
    ("\u1100\u1160\u1160\u11a8", "U+1160 HANGUL JUNGSEONG FILLER at position 2"),
    ("ក\u17b4", "U+17B4 KHMER VOWEL INHERENT AQ at position 2"),
    ("a\U0001bca0", "U+1BCA0 SHORTHAND FORMAT LETTER OVERLAP at position 2"),
    ("a\ufff0b", "U+FFF0 UNASSIGNED at position 2"),
    ("a\U000e0080", "U+E0080 UNASSIGNED at position 2"),
    ("a\U000e01f0", "U+E01F0 UNASSIGNED at position 2"),
    ("a\U000e0fff", "U+E0FFF UNASSIGNED at position 2"),
    ("ab\u202egpj.exe", "U+202E RIGHT-TO-LEFT OVERRIDE at position 3"),
    ("a\u2066b", "U+2066 LEFT-TO-RIGHT ISOLATE at position 2"),
    ("a\u200bb", "U+200B ZERO WIDTH SPACE at position 2"),
    ("a\xadb", "U+00AD SOFT HYPHEN at position 2"),
    ("a\x00b", "U+0000 CONTROL CHARACTER at position 2"),
    ("a\ud800", "U+D800 LONE SURROGATE at position 2"),
    ("\U0010ffff", "U+10FFFF UNASSIGNED at position 1"),
]
HARD = st.text(
    st.one_of(
        st.sampled_from("بهرکيaक\u094dষ\u09cdর👩👨🏽🏴☠\ufe0f\u200c\u200d\u064eᠠᠷ\u180e. e\u0301"),
        st.sampled_from("\U000e0067\U000e0062\U000e007f\u200e\u200f\u061c\xad\ufeff\u202e\u200b\0"),
    ),
    max_size=14,
)


@pytest.mark.parametrize("name", WRITTEN.values(), ids=WRITTEN)
def test_what_people_write_is_kept(name: str) -> None:
    """A joiner, a separator or a tag that belongs to a word or an emoji is allowed."""
    assert first_misplaced(name) is None
    assert first_misplaced(f"a {name}.txt") is None
    assert display_name(name) == unicodedata.normalize("NFC", name)
    assert shown(name) == name or TAG in name or "\U000e0075" in name


@pytest.mark.parametrize(("name", "told"), MEANINGLESS)
def test_what_means_nothing_is_told(name: str, told: str) -> None:
    """The first invisible character without a meaning is named by code point and position."""
    assert str(first_misplaced(name)) == told


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("\u200ereport.pdf", "report.pdf"),
        ("\u200f\u200eשלום.pdf", "שלום.pdf"),
        ("\ufeffa.txt", "a.txt"),
        ("Donau\xaddampf\xad.txt", "Donaudampf.txt"),
        ("\xad\u200ea\xad", "a"),
        ("e\xad\u0301", "\xe9"),
        ("کار\u200cها.txt", "کارها.txt"),
        ("کتاب\u200c\u200cها", "کتاب\u200cها"),
        ("می\u200c.pdf", "می.pdf"),
        ("١٤٤٥ه\u200d.pdf", "١٤٤٥ه.pdf"),
        ("بَ\u200d ", "بَ "),
    ],
)
def test_what_only_programs_see_is_dropped(sent: str, kept: str) -> None:
    """A display name loses leading marks, soft hyphens, and joiners that change no letter."""
    assert display_name(sent) == kept


@pytest.mark.parametrize("name", ["a\u200eb", "a\u202eb", "a\u200bb", "a\u200db", "\u202aC.txt"])
def test_what_could_deceive_is_not_dropped(name: str) -> None:
    """A character that changes how a name is read is not removed, so the name is refused."""
    assert display_name(name) == name
    assert first_misplaced(name) is not None


@given(HARD)
def test_a_shown_name_is_stable(text: str) -> None:
    """A cleaned name has lost invisible characters only, and cleaning it again changes nothing."""
    once = display_name(text)
    assert display_name(once) == once == unicodedata.normalize("NFC", once)
    dropped = dict.fromkeys(map(ord, "\xad\u200c\u200d\u200e\u200f\u061c\ufeff"))
    left = [unicodedata.normalize("NFC", one.translate(dropped)) for one in (once, text)]
    assert left[0] == left[1]


@given(HARD)
def test_no_name_with_a_forbidden_character_passes(text: str) -> None:
    """A name that is accepted has no character of the list that is forbidden everywhere."""
    if first_misplaced(text) is None:
        assert not FORBIDDEN.search(text)


@given(HARD, st.sampled_from([ZWNJ, ZWJ, TAG, "\u202e"]))
def test_a_character_is_told_where_it_stands(text: str, character: str) -> None:
    """The reported position is the position of the reported character."""
    found = first_misplaced(text + character)
    if found is not None:
        assert (text + character)[found.position - 1] == found.character


@given(st.text(max_size=200))
def test_messages_show_nothing_that_deceives(text: str) -> None:
    """A message shows a name shortened and without forbidden characters."""
    visible = shown(text)
    assert not FORBIDDEN.search(visible)
    assert len(visible) <= 10 * 100 + 1
    assert visible.encode().decode() == visible


def test_no_look_goes_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each joiner is judged a limited number of times, by at most 48 characters around it."""
    looks: list[int] = []

    def judge(text: str, index: int) -> bool:
        looks.append(len(text))
        return bool(valid_contextj(text, index))

    monkeypatch.setattr(name_characters, "valid_contextj", judge)
    for text in ("ب\u200c" * 2000, "ب" + "\u064e\u200c" * 2000, "👩\u200d" * 2000, ZWJ * 4000):
        looks.clear()
        assert first_misplaced(text) is not None
        display_name(text)
        assert max(looks, default=0) <= 48
        assert len(looks) <= 2 * len(text)


def test_what_is_always_invisible_is_refused() -> None:
    """Every default-ignorable character of Unicode is refused, except variation selectors."""
    ignorable = regress.Regex(r"^\p{Default_Ignorable_Code_Point}$", "u")
    variations = {*range(0x180B, 0x180E), 0x180F, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}
    for code in (*range(0xD800), *range(0xE000, 0x20000), *range(0xE0000, 0xE1000)):
        if ignorable.find(chr(code)) is not None:
            assert (first_misplaced(f"a{chr(code)}b") is None) == (code in variations), hex(code)


def test_the_table_is_that_of_unicode() -> None:
    """The emoji that allow a joiner are those of Unicode's property Extended_Pictographic."""
    expected = regress.Regex(r"^\p{Extended_Pictographic}$", "u")
    for code in (*range(0xD800), *range(0xE000, 0x20000)):
        joined = f"{chr(code)}{ZWJ}👩"
        is_emoji = name_characters._joins_pictures(joined, 1)
        assert is_emoji == (expected.find(chr(code)) is not None), hex(code)
