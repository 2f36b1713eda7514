"""Tests of the refusals of names, and of the longest names that are accepted."""

from __future__ import annotations

import pytest

from wharf_upload.domain import keys

LONG = "x" * 256


@pytest.mark.parametrize(
    ("sent", "said", "name"),
    [
        ("folder/", 'The file name "folder/" ends in an empty name, "." or ".."; send', "folder/"),
        ("C:\\..", 'The file name "C:\\.." ends in an empty name, "." or ".."; send', "C:\\.."),
        (LONG, f'The file name "{"x" * 100}…" is longer than 255 bytes', "x" * 100 + "…"),
        ("x" * 4097, f'The file name "{"x" * 100}…" is longer than 255 bytes', "x" * 100 + "…"),
        ("a/b\x00", 'The file name "b<U+0000>" holds U+0000 CONTROL CHARACTER', "b<U+0000>"),
    ],
)
def test_a_refused_file_name_is_told(sent: str, said: str, name: str) -> None:
    """The sentence begins with the error and the name, and the name is a member."""
    with pytest.raises(keys.InvalidFileName) as caught:
        keys.file_name(sent)
    assert str(caught.value).startswith(said)
    assert caught.value.members["name"] == name


@pytest.mark.parametrize("path", ["a/../b", "a//b", "../a", "C:/a"])
def test_a_refused_path_is_told(path: str) -> None:
    """A path that leads out of its folder is refused as a path, not for one of its segments."""
    with pytest.raises(keys.InvalidFileName) as caught:
        keys.relative_path(path)
    assert str(caught.value) == (
        f'The path "{path}" is not inside a folder: send a relative path without empty segments '
        'and without "..".'
    )
    assert caught.value.members == {"name": path}


def test_what_only_programs_write_counts_until_it_is_left_out() -> None:
    """A name of up to 4096 characters is read, counted with the marks that are then removed."""
    assert keys.file_name("\u200e" * 4095 + "a") == "a"
    with pytest.raises(keys.InvalidFileName):
        keys.file_name("\u200e" * 4096 + "a")


def test_the_longest_file_name() -> None:
    """A file name has at most 255 bytes, with any letters."""
    assert keys.file_name("a" * 255) == "a" * 255
    assert keys.file_name("é" * 127 + "a") == "é" * 127 + "a"


def test_a_new_name_is_not_cut_inside_of_a_picture_letter() -> None:
    """A stem that is cut after a joiner also loses the joiner, and nothing else."""
    woman, joiner = "\U0001f469", "\u200d"
    stem = "a" * 244 + woman + joiner + "\U0001f4bb"
    assert keys.renamed(stem, 2) == "a" * 244 + woman + " (2)"


def test_a_key_without_room_for_a_number_is_told() -> None:
    """A key whose stem leaves no place for the number is refused with advice."""
    key = "/".join(["d" * 255] * 3 + ["e" * 250, "a.txt"])
    assert len(key) == keys.MAX_KEY_BYTES
    with pytest.raises(keys.InvalidKey) as caught:
        keys.renamed(key, 2)
    assert str(caught.value) == "The key is too long to be renamed; send a shorter one."
