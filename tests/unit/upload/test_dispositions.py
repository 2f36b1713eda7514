"""Tests of Content-Disposition: no injection, safe names, and exact names that are safe."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharf_upload.domain.dispositions import content_disposition, safe_name

FORM = re.compile(
    r"(?:inline|attachment); filename=\"(?P<plain>[ !#$&-\[\]-~]+)\""
    r"(?:; filename\*=UTF-8''(?P<extended>(?:%[0-9A-F]{2}|[A-Za-z0-9!#$&+.^_`|~-])+))?"
)


def downloaded_as(value: str) -> str:
    """Return the name that a browser reads from the header field."""
    match = FORM.fullmatch(value)
    assert match is not None, value
    if match["extended"]:
        return unquote(match["extended"], errors="strict")
    return match["plain"]


@given(st.text(max_size=300))
def test_any_name_gives_one_clean_ascii_line(name: str) -> None:
    """For any name the header field is ASCII without CR or LF, and gives the safe name."""
    value = content_disposition("attachment", name)
    assert value.isascii()
    assert "\r" not in value
    assert "\n" not in value
    assert downloaded_as(value) == safe_name(name)


@given(st.text(st.characters(codec="utf-8"), max_size=90))
def test_safe_names_arrive_unchanged(name: str) -> None:
    """A safe name is read back exactly, and making it safe again does not change it."""
    safe = safe_name(name)
    assert safe_name(safe) == safe
    assert downloaded_as(content_disposition("inline", safe)) == safe


def test_a_plain_name_has_no_extended_form() -> None:
    """A safe ASCII name is sent in one form only."""
    assert content_disposition("inline", "a b.txt") == 'inline; filename="a b.txt"'


@pytest.mark.parametrize(
    ("name", "plain", "extended"),
    [
        ("résumé.pdf", "resume.pdf", "r%C3%A9sum%C3%A9.pdf"),
        ("日本.txt", "__.txt", "%E6%97%A5%E6%9C%AC.txt"),
        ('a"b.txt', "a_b.txt", "a%22b.txt"),
        ("\U0001f469\u200d\U0001f4bb.png", "__.png", "%F0%9F%91%A9%E2%80%8D%F0%9F%92%BB.png"),
        ("100%41.txt", "100_41.txt", "100%2541.txt"),
    ],
)
def test_other_names_are_sent_twice(name: str, plain: str, extended: str) -> None:
    """Any other name is sent in a legible ASCII form and in an exact extended form."""
    value = content_disposition("attachment", name)
    assert value == f"attachment; filename=\"{plain}\"; filename*=UTF-8''{extended}"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("com1.tar.gz", "_com1.tar.gz"),
        ("LPT\xb2.log", "_LPT\xb2.log"),
        ("console.txt", "console.txt"),
        ("aux .txt", "_aux .txt"),
        ("-rf", "_-rf"),
        (".htaccess", "_.htaccess"),
        ("  -rf", "_-rf"),
        ("x.", "x"),
        ("MAX", "MAX"),
        ("é" * 200, "é" * 127),
        ("x. . ", "x"),
        ("...", "_"),
        ("", "download"),
        ("\x00\r\n", "download"),
        ("../../etc/passwd", "_.._.._etc_passwd"),
        ("a\\b/c", "a_b_c"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("a\ud800b", "ab"),
    ],
)
def test_unsafe_names_are_made_safe(name: str, safe: str) -> None:
    """Device names, switches, dotfiles, paths and invisible characters are made safe."""
    assert safe_name(name) == safe


def test_dropping_accents_uncovers_no_device() -> None:
    """The ASCII form of a device name with accents is made safe as well."""
    assert 'filename="_CON.txt"' in content_disposition("attachment", "CÓN.txt")


def test_long_names_are_cut() -> None:
    """A name of 4 KB is cut to at most 255 bytes, so that the field fits nginx's buffer."""
    assert len(safe_name("日" * 4096).encode()) <= 255
