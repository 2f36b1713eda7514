"""CSV files as spreadsheets write them, and as they may open them."""

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
# Beginnings of workbooks of Excel: ZIP and OLE2.
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_DELIMITERS = (",", ";", "\t")
# Excel writes and takes this line, which tells it the delimiter.
_SEPARATOR_LINE = re.compile(r"\Asep=(.)\r?\n", re.IGNORECASE)
# What Chinese text in GBK is made of; other text that happens to be GBK has more.
_CHINESE = re.compile(r"[\x00-\x7f\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]*")
# Of Western text that was read as GBK: such letters within a word.
_NOT_CHINESE = re.compile(r"[A-Za-z][\u4e00-\u9fff]|[\u4e00-\u9fff][a-z]")
_HAN = re.compile(r"[\u4e00-\u9fff]")
# First bytes of the 3,755 letters that nearly all Chinese text is made of (GB 2312, level 1). Text
# of other alphabets that was read as GBK is made of other letters, but for Korean.
_COMMON = range(0xB0, 0xD8)
_COMMON_PART = 0.7
# What a spreadsheet takes for a formula (OWASP, CSV injection): at the beginning of a cell, or of
# what is one where cells are parted by another character than ours.
_FORMULA = re.compile(r"(\A[\"'\s]*|[,;\t\r\n][\"'\s]*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")


class UnreadableFile(Exception):
    """The file is no CSV file that can be read; the message is for the person."""


@dataclass(frozen=True)
class Table:
    """The lines of a file, but empty ones, each with its number; `note` says how it was read."""

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
    """Return a file that spreadsheets open as text: no cell is a formula, letters are right."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerows([defused(cell) for cell in row] for row in rows)
    # Excel takes it for UTF-8 by these first bytes.
    return codecs.BOM_UTF8 + file.getvalue().encode()


def defused(cell: str) -> str:
    """Return a cell's text with an apostrophe before what a spreadsheet would compute."""
    return _FORMULA.sub(r"\1'", cell)


def _decoded(content: bytes) -> tuple[str, str]:
    """Return text and note; raises `UnreadableFile`."""
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
    """Whether a text that was read as GBK makes sense: no other encoding is told by its bytes."""
    letters = _HAN.findall(text)
    if not letters or not _CHINESE.fullmatch(text) or _NOT_CHINESE.search(text):
        return False
    common = sum(one.encode("gb18030")[0] in _COMMON for one in letters)
    return common >= _COMMON_PART * len(letters)


def _delimiter(text: str) -> str:
    """Return what parts the cells of the first line: Excel has a semicolon in many countries."""
    first = text.lstrip("\r\n").partition("\n")[0]
    return max(_DELIMITERS, key=first.count)


def _parsed(text: str, delimiter: str, skipped: int) -> list[tuple[int, tuple[str, ...]]]:
    found, last = [], 0
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            # A cell may hold line breaks; the number is that of the first line.
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
