"""Invisible characters in names: where they are allowed, and how a refusal shows them.

People must be able to distinguish different names, so invisible characters are refused. But some of
them belong to the spelling of a word or an emoji, and are allowed in these places only:

- the zero-width joiners where RFC 5892 (appendix A.1, A.2) allows them: after a virama, and the
  non-joiner between letters that would join; and the joiner before a virama, as Bengali needs it;
- the joiner between emoji (UTS 51), and the tags of a subdivision's flag;
- the Mongolian vowel separator before the last vowel of a word;
- the Hangul filler for a vowel between two consonants of an old syllable, which would fall apart.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, NamedTuple

from idna.core import valid_contextj

_CONTROL: Final = "\x00-\x1f\x7f-\x9f\u2028\u2029\ufff9-\ufffb"
_BIDI: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u206a-\u206f"
_ZERO_WIDTH: Final = "\xad\u034f\u200b\u2060-\u2065\ufeff\U0001d173-\U0001d17a"
# Letters without width, which fill the place of a letter.
_ZERO_WIDTH_LETTERS: Final = "\u115f\u17b4\u17b5\u3164\uffa0\U0001bca0-\U0001bca3"
_RESERVED: Final = "\ufff0-\ufff8\U000e0080-\U000e00ff\U000e01f0-\U000e0fff"
_SURROGATE: Final = "\ud800-\udfff"
# Code points that are never characters (Unicode 23.7). Listings rely on keys without U+10FFFF.
_NONCHARACTERS: Final = "\ufdd0-\ufdef" + "".join(
    f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17)
)
_INVISIBLE: Final = _ZERO_WIDTH + _ZERO_WIDTH_LETTERS + _RESERVED
_NEVER: Final = _CONTROL + _BIDI + _INVISIBLE + _SURROGATE + _NONCHARACTERS
_MONGOLIAN, _NON_JOINER, _JOINER = "\u180e", "\u200c", "\u200d"
_VOWEL_FILLER: Final = "\u1160"
_SOMEWHERE: Final = f"{_MONGOLIAN}{_NON_JOINER}{_VOWEL_FILLER}{_JOINER}\U000e0000-\U000e007f"

#: All characters that a name must not contain (security.md rows 20 and 21).
FORBIDDEN = re.compile(f"[{_NEVER}]")
#: Characters that `first_misplaced` allows in some places.
NEEDED_SOMEWHERE = re.compile(f"[{_SOMEWHERE}]")
_SUSPECT = re.compile(f"[{_NEVER}{_SOMEWHERE}]")

# Extended_Pictographic of Unicode 17.0 (emoji-data.txt): emoji and code points reserved for emoji.
_PICTURE: Final = (
    "\xa9\xae\u203c\u2049\u2122\u2139\u2194-\u2199\u21a9-\u21aa\u231a-\u231b\u2328\u23cf"
    "\u23e9-\u23f3\u23f8-\u23fa\u24c2\u25aa-\u25ab\u25b6\u25c0\u25fb-\u25fe\u2600-\u2604\u260e"
    "\u2611\u2614-\u2615\u2618\u261d\u2620\u2622-\u2623\u2626\u262a\u262e-\u262f\u2638-\u263a"
    "\u2640\u2642\u2648-\u2653\u265f-\u2660\u2663\u2665-\u2666\u2668\u267b\u267e-\u267f"
    "\u2692-\u2697\u2699\u269b-\u269c\u26a0-\u26a1\u26a7\u26aa-\u26ab\u26b0-\u26b1\u26bd-\u26be"
    "\u26c4-\u26c5\u26c8\u26ce-\u26cf\u26d1\u26d3-\u26d4\u26e9-\u26ea\u26f0-\u26f5\u26f7-\u26fa"
    "\u26fd\u2702\u2705\u2708-\u270d\u270f\u2712\u2714\u2716\u271d\u2721\u2728\u2733-\u2734\u2744"
    "\u2747\u274c\u274e\u2753-\u2755\u2757\u2763-\u2764\u2795-\u2797\u27a1\u27b0\u27bf\u2934-\u2935"
    "\u2b05-\u2b07\u2b1b-\u2b1c\u2b50\u2b55\u3030\u303d\u3297\u3299\U0001f004\U0001f02c-\U0001f02f"
    "\U0001f094-\U0001f09f\U0001f0af-\U0001f0b0\U0001f0c0\U0001f0cf-\U0001f0d0"
    "\U0001f0f6-\U0001f0ff\U0001f170-\U0001f171\U0001f17e-\U0001f17f\U0001f18e"
    "\U0001f191-\U0001f19a\U0001f1ae-\U0001f1e5\U0001f201-\U0001f20f\U0001f21a\U0001f22f"
    "\U0001f232-\U0001f23a\U0001f23c-\U0001f23f\U0001f249-\U0001f25f\U0001f266-\U0001f321"
    "\U0001f324-\U0001f393\U0001f396-\U0001f397\U0001f399-\U0001f39b\U0001f39e-\U0001f3f0"
    "\U0001f3f3-\U0001f3f5\U0001f3f7-\U0001f3fa\U0001f400-\U0001f4fd\U0001f4ff-\U0001f53d"
    "\U0001f549-\U0001f54e\U0001f550-\U0001f567\U0001f56f-\U0001f570\U0001f573-\U0001f57a"
    "\U0001f587\U0001f58a-\U0001f58d\U0001f590\U0001f595-\U0001f596\U0001f5a4-\U0001f5a5"
    "\U0001f5a8\U0001f5b1-\U0001f5b2\U0001f5bc\U0001f5c2-\U0001f5c4\U0001f5d1-\U0001f5d3"
    "\U0001f5dc-\U0001f5de\U0001f5e1\U0001f5e3\U0001f5e8\U0001f5ef\U0001f5f3"
    "\U0001f5fa-\U0001f64f\U0001f680-\U0001f6c5\U0001f6cb-\U0001f6d2\U0001f6d5-\U0001f6e5"
    "\U0001f6e9\U0001f6eb-\U0001f6f0\U0001f6f3-\U0001f6ff\U0001f7da-\U0001f7ff"
    "\U0001f80c-\U0001f80f\U0001f848-\U0001f84f\U0001f85a-\U0001f85f\U0001f888-\U0001f88f"
    "\U0001f8ae-\U0001f8af\U0001f8bc-\U0001f8bf\U0001f8c2-\U0001f8cf\U0001f8d9-\U0001f8ff"
    "\U0001f90c-\U0001f93a\U0001f93c-\U0001f945\U0001f947-\U0001f9ff\U0001fa58-\U0001fa5f"
    "\U0001fa6e-\U0001faff\U0001fc00-\U0001fffd"
)
# An emoji, with or without a skin tone or a variation selector, joined to the next emoji.
_JOINED_PICTURES = re.compile(
    f"[{_PICTURE}](?:[\U0001f3fb-\U0001f3ff]|\ufe0f)?\u200d(?=[{_PICTURE}])"
)
# A black flag and the code of a subdivision as tag characters, e.g. gbsct for Scotland.
_SUBDIVISION_FLAG = re.compile(
    "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,7}\U000e007f"
)
# A letter or a variation selector of Mongolian, the separator, and one of two final vowels.
_MONGOLIAN_END = re.compile("[\u1820-\u18aa\u180b-\u180d\u180f]\u180e(?=[\u1820\u1821])")
# A leading consonant of Hangul, the filler, and a trailing consonant.
_OLD_HANGUL = re.compile("[\u1100-\u115e\ua960-\ua97c]\u1160(?=[\u11a8-\u11ff\ud7cb-\ud7fb])")
_VIRAMA: Final = 9
# No real name has more marks on one letter. A larger window would make hostile names expensive.
_WINDOW: Final = 24

_SOFT_HYPHEN: Final = "\xad"
_LEADING: Final = "\u061c\u200e\u200f\ufeff"
_JOINERS = re.compile(f"[{_NON_JOINER}{_JOINER}]")

_MAX_SHOWN: Final = 100


class Misplaced(NamedTuple):
    """A character that is not allowed in its place; `position` counts characters from 1."""

    character: str
    position: int

    @property
    def code(self) -> str:
        """Return the code point in Unicode's notation, e.g. `U+202E`."""
        return _code(self.character)

    def __str__(self) -> str:
        """Return the code point, its name and its position as text."""
        return f"{self.code} {_name(self.character)} at position {self.position}"


def first_misplaced(text: str) -> Misplaced | None:
    """Return the first character of a name that is not allowed in its place, or `None`."""
    if text.isascii() and text.isprintable():
        return None
    flag_end = 0
    for found in _SUSPECT.finditer(text):
        index = found.start()
        if index < flag_end:
            continue
        flag = _SUBDIVISION_FLAG.match(text, index - 1) if index else None
        if flag is not None:
            flag_end = flag.end()
        elif FORBIDDEN.match(text, index) or not _belongs(text, index):
            return Misplaced(text[index], index + 1)
    return None


def display_name(text: str) -> str:
    """Return the name in NFC without invisible characters that some programs add.

    These are all soft hyphens, direction marks and byte order marks at the beginning, and joiners
    after Arabic letters where they have no effect. Other misplaced characters stay.
    """
    if text.isascii():
        return text
    name = text.replace(_SOFT_HYPHEN, "").lstrip(_LEADING)
    name = unicodedata.normalize("NFC", name)
    if not _JOINERS.search(name):
        return name
    kept = ""
    for index, character in enumerate(name):
        around = kept[-_WINDOW:] + name[index : index + _WINDOW]
        if (
            not _JOINERS.match(character)
            or not _is_behind_arabic(kept)
            or _belongs(around, len(kept[-_WINDOW:]))
        ):
            kept += character
    # Without the joiners, adjacent characters may now compose.
    return unicodedata.normalize("NFC", kept)


def ends_in_joiner(text: str) -> bool:
    """Tell whether a text ends with a joiner, which more text could make valid."""
    return _JOINERS.match(text[-1:]) is not None


def shown(name: str) -> str:
    """Return a name for a message: short, on one line, and with misleading characters escaped."""

    def visible(found: re.Match[str]) -> str:
        index = found.start()
        if not FORBIDDEN.match(name, index) and _belongs(name, index):
            return found[0]
        return f"<{_code(found[0])}>"

    text = _SUSPECT.sub(visible, name[:_MAX_SHOWN])
    return text if len(name) <= _MAX_SHOWN else f"{text}…"


def _is_behind_arabic(text: str) -> bool:
    """Tell whether a text ends with an Arabic letter, with or without marks."""
    for character in reversed(text[-_WINDOW:]):
        kind = unicodedata.bidirectional(character)
        if kind != "NSM":
            return kind == "AL"
    return False


def _belongs(text: str, index: int) -> bool:
    """Tell whether a joiner, a Mongolian separator or a filler is allowed in its place."""
    character = text[index]
    if not index or character not in _MONGOLIAN + _VOWEL_FILLER + _NON_JOINER + _JOINER:
        return False
    if character == _MONGOLIAN:
        return _MONGOLIAN_END.match(text, index - 1) is not None
    if character == _VOWEL_FILLER:
        return _OLD_HANGUL.match(text, index - 1) is not None
    if _is_in_context(text, index):
        return True
    return character == _JOINER and (_joins_pictures(text, index) or _is_before_virama(text, index))


def _joins_pictures(text: str, index: int) -> bool:
    before = (index - 1, max(0, index - 2))
    found = [_JOINED_PICTURES.match(text, begin) for begin in before]
    return any(one is not None and one.end() == index + 1 for one in found)


def _is_before_virama(text: str, index: int) -> bool:
    after = text[index + 1 : index + 2] or " "
    return unicodedata.combining(after) == _VIRAMA and unicodedata.category(text[index - 1]) == "Lo"


def _is_in_context(text: str, index: int) -> bool:
    """Tell whether RFC 5892 allows the joiner in its place."""
    start = max(0, index - _WINDOW)
    try:
        return valid_contextj(text[start : index + _WINDOW], index - start)
    except ValueError:
        # The tables of this Python do not know the character before the joiner.
        return False


def _code(character: str) -> str:
    return f"U+{ord(character):04X}"


def _name(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cc":
        return "CONTROL CHARACTER"
    return unicodedata.name(character, "LONE SURROGATE" if category == "Cs" else "UNASSIGNED")
