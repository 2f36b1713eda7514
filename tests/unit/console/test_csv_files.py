"""CSV files: reading files from spreadsheets of several countries, and writing safe files."""

from __future__ import annotations

import codecs
import csv
import io

import pytest

from wharf_console.web import csv_files
from wharf_console.web.csv_files import UnreadableFile

NAMES = "username,display_name\r\nzhang,张三\r\n"


@pytest.mark.parametrize(
    "content",
    [
        NAMES.encode(),
        codecs.BOM_UTF8 + NAMES.encode(),
        NAMES.replace("\r\n", "\n").encode(),
        NAMES.replace("\r\n", "\r").encode(),
        NAMES.replace(",", ";").encode(),
        NAMES.replace(",", "\t").encode(),
        NAMES.replace(",", ";").join(("sep=;\r\n", "")).encode(),
        NAMES.replace(",", "|").join(("sep=|\r\n", "")).encode(),
        NAMES.encode("utf-16"),
        NAMES.replace(",", "\t").encode("utf-16-le").join((codecs.BOM_UTF16_LE, b"")),
        b'"username","display_name"\r\n"zhang","' + "张三".encode() + b'"',
        b"\r\n\r\nusername , display_name\r\n ,\r\nzhang , " + "张三".encode(),
    ],
)
def test_files_of_spreadsheets_are_read(content: bytes) -> None:
    """A file may have a byte order mark, other separators or a line `sep=`, in UTF-8 or UTF-16."""
    table = csv_files.read(content)
    assert [cells for _, cells in table.lines] == [("username", "display_name"), ("zhang", "张三")]
    assert table.note == ""


def test_gbk_is_read_with_a_warning() -> None:
    """A file in GBK, which Excel writes on a Chinese Windows, is read with a warning."""
    table = csv_files.read(NAMES.replace(",", ";").encode("gbk"))
    assert table.lines[1] == (2, ("zhang", "张三"))
    assert "read as GBK" in table.note


@pytest.mark.parametrize(
    "content",
    [
        "username,display_name\njose,José\n".encode("latin-1"),
        "username,display_name\nmueller,Jörg Müller\n".encode("cp1252"),
        "username,display_name\nangstrom,Ångström\n".encode("cp1252"),
        "username,display_name\nivan,Иван\n".encode("cp1251"),
        "username,display_name\nyamada,山田太郎ヤマダ\n".encode("shift-jis"),
        "username,display_name\nviki,Βίκυ\n".encode("iso-8859-7"),
        "username,display_name\nwang,王小明\n".encode("big5"),
        b"username\n\xff\xfe\xfd\n",
        bytes(range(256)),
    ],
)
def test_other_encodings_are_refused_rather_than_guessed(content: bytes) -> None:
    """A file in another encoding is refused, because wrong letters would make another name."""
    with pytest.raises(UnreadableFile, match="not in UTF-8"):
        csv_files.read(content)


def test_korean_cannot_be_told_from_chinese() -> None:
    """A Korean file is read as GBK with the warning, because its bytes are also valid in GBK."""
    table = csv_files.read("username,display_name\nmin,김민수\n".encode("euc-kr"))
    assert "See that the names are right." in table.note


@pytest.mark.parametrize("begin", [b"PK\x03\x04\x14\x00", b"\xd0\xcf\x11\xe0\xa1\xb1"])
def test_a_workbook_is_called_one(begin: bytes) -> None:
    """A workbook is refused with the advice to save a CSV file."""
    with pytest.raises(UnreadableFile, match="workbook"):
        csv_files.read(begin + bytes(100))


@pytest.mark.parametrize("content", [b"", b"\r\n", codecs.BOM_UTF8, b" , ,\n,,\n"])
def test_an_empty_file_is_called_one(content: bytes) -> None:
    """A file without text in any cell is refused as empty."""
    with pytest.raises(UnreadableFile, match="The file is empty"):
        csv_files.read(content)


@pytest.mark.parametrize(
    ("text", "line"), [('a,b\n"c,d\ne,f\n', 2), ('a,b\nc,d\n"e"f,g\n', 3), ('sep=,\na\n"b', 3)]
)
def test_quotation_marks_that_do_not_fit_are_told_by_line(text: str, line: int) -> None:
    """A quotation mark in the wrong place is refused with the number of its line."""
    with pytest.raises(UnreadableFile, match=f"line {line} "):
        csv_files.read(text.encode())


def test_lines_have_their_own_numbers() -> None:
    """Lines are numbered as in an editor; a row of two lines has the number of its first line."""
    table = csv_files.read(b'sep=,\n\nusername,note\nann,"two\nlines"\n\nbob,x\n')
    assert [number for number, _ in table.lines] == [3, 4, 7]


def test_a_cell_that_is_too_long_is_refused() -> None:
    """A cell of more than 128 KiB, the limit of Python's reader, is refused."""
    with pytest.raises(UnreadableFile):
        csv_files.read(b"username\n" + b"a" * 200_000)


@pytest.mark.parametrize(
    ("cell", "kept"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "\t'=1"),
        ("\r\n=1", "\r\n'=1"),
        (" =1", " '=1"),
        ('"=1', "\"'=1"),
        ("\uff1d1", "'\uff1d1"),
        ("\uff0b1", "'\uff0b1"),
        ("\uff0d1", "'\uff0d1"),
        ("\uff20a", "'\uff20a"),
        ("x;=1+1", "x;'=1+1"),
        ('x";=cmd', "x\";'=cmd"),
        ("x\t=1", "x\t'=1"),
        ("x,@a;-b", "x,'@a;'-b"),
        ('x; "=1', "x; \"'=1"),
        ("==1", "'==1"),
    ],
)
def test_no_cell_is_a_formula(cell: str, kept: str) -> None:
    """A cell is changed so that no spreadsheet program finds a formula at its beginning, or after
    a character at which a program may split the cell.
    """
    assert csv_files.defused(cell) == kept


@pytest.mark.parametrize("cell", ["", "ann", "a-b", "a=b", "eve+x@example.org", "张三", "O'Neil"])
def test_other_cells_stay_as_they_are(cell: str) -> None:
    """A cell that no spreadsheet program computes is written unchanged."""
    assert csv_files.defused(cell) == cell


def test_what_is_written_is_read_again() -> None:
    """A written file is read with all its characters, and has a byte order mark for Excel."""
    rows = [("a", 'b"c', "d;e,f"), ("张三", "Ünal", "🦊")]
    content = csv_files.written(rows)
    assert content.startswith(codecs.BOM_UTF8)
    text = content.decode("utf-8-sig")
    assert [tuple(row) for row in csv.reader(io.StringIO(text))] == rows
    assert csv_files.read(content).lines == ((1, rows[0]), (2, rows[1]))
