"""Reads CSV files from spreadsheet programs, and writes CSV files that are safe to open there."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass

from wharf_console.web.language import gettext

MEDIA_TYPE = "text/csv; charset=utf-8"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# The first bytes of Excel's workbooks: ZIP and OLE2.
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_DELIMITERS = (",", ";", "\t")
# Excel writes and reads this line, which names the delimiter.
_SEPARATOR_LINE = re.compile(r"\Asep=(.)\r?\n", re.IGNORECASE)
# The characters of Chinese text. Other text that was decoded as GBK also has other characters.
_CHINESE = re.compile(r"[\x00-\x7f\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]*")
# Western text that was decoded as GBK has Chinese letters within a word.
_NOT_CHINESE = re.compile(r"[A-Za-z][\u4e00-\u9fff]|[\u4e00-\u9fff][a-z]")
_HAN = re.compile(r"[\u4e00-\u9fff]")
# The first bytes of the 3,755 most common Chinese letters (GB 2312, level 1), which make up nearly
# all Chinese text. Other text that was decoded as GBK, except Korean, has other letters.
_COMMON = range(0xB0, 0xD8)
_COMMON_PART = 0.7
# The beginning of a formula (OWASP, CSV injection): at the beginning of a cell, or after a
# character that a spreadsheet program may treat as a delimiter.
_FORMULA = re.compile(r"(\A[\"'\s]*|[,;\t\r\n][\"'\s]*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")


class UnreadableFile(Exception):
    """The file cannot be read as CSV; the message is for the person."""


@dataclass(frozen=True)
class Table:
    """The lines of a file that are not empty, with their numbers; `note` is for the person."""

    lines: tuple[tuple[int, tuple[str, ...]], ...]
    note: str = ""


def read(content: bytes) -> Table:
    """Return the lines of a file; raises `UnreadableFile`."""
    if content.startswith(_WORKBOOKS):
        raise UnreadableFile(
            gettext("This is a workbook. Save it as “CSV UTF-8” in your spreadsheet program.")
        )
    text, note = _decoded(content)
    if found := _SEPARATOR_LINE.match(text):
        delimiter, skipped = found[1], 1
        text = text[found.end() :]
    else:
        delimiter, skipped = _delimiter(text), 0
    lines = _parsed(text, delimiter, skipped)
    if not lines:
        raise UnreadableFile(gettext("The file is empty."))
    return Table(tuple(lines), note)


def written(rows: Iterable[Iterable[str]]) -> bytes:
    """Return a CSV file in UTF-8 that spreadsheet programs decode correctly, without formulas."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerows([defused(cell) for cell in row] for row in rows)
    # Excel recognizes UTF-8 by these first bytes.
    return codecs.BOM_UTF8 + file.getvalue().encode()


def defused(cell: str) -> str:
    """Return a cell's text with an apostrophe before each beginning of a formula."""
    return _FORMULA.sub(r"\1'", cell)


def _decoded(content: bytes) -> tuple[str, str]:
    """Return the text, and a note for the person about its encoding; raises `UnreadableFile`."""
    encoding = "utf-16" if content.startswith(_UTF16) else "utf-8-sig"
    try:
        return content.decode(encoding), ""
    except UnicodeDecodeError:
        pass
    try:
        text = content.decode("gb18030")
    except UnicodeDecodeError:
        text = ""
    if _is_chinese(text):
        return text, gettext(
            "The file is not in UTF-8 and was read as GBK. See that the names are right."
        )
    raise UnreadableFile(
        gettext(
            "The letters of this file cannot be read: it is not in UTF-8. Save it as “CSV UTF-8” "
            "in your spreadsheet program."
        )
    )


def _is_chinese(text: str) -> bool:
    """Tell whether a text that was decoded as GBK is probably Chinese.

    The bytes of a file do not name their encoding, so the result is a guess.
    """
    letters = _HAN.findall(text)
    if not letters or not _CHINESE.fullmatch(text) or _NOT_CHINESE.search(text):
        return False
    common = sum(one.encode("gb18030")[0] in _COMMON for one in letters)
    return common >= _COMMON_PART * len(letters)


def _delimiter(text: str) -> str:
    """Return the most frequent delimiter of the first line that has text.

    In many countries Excel writes semicolons instead of commas.
    """
    first = text.lstrip("\r\n").partition("\n")[0]
    return max(_DELIMITERS, key=first.count)


def _parsed(text: str, delimiter: str, skipped: int) -> list[tuple[int, tuple[str, ...]]]:
    found, last = [], 0
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            # A cell may contain line breaks; the number is that of its first line.
            number, last = last + 1, reader.line_num
            stripped = tuple(cell.strip() for cell in cells)
            if any(stripped):
                found.append((number + skipped, stripped))
    except csv.Error:
        raise UnreadableFile(
            gettext(
                "The quotation marks of line %(number)s do not fit together.",
                number=last + 1 + skipped,
            )
        ) from None
    return found
