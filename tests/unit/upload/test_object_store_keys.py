"""Tests of the file with the keys of the object store."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wharf_upload.storage.errors import StoreUnavailable
from wharf_upload.storage.s3 import keys
from wharf_upload.storage.s3.keys import KeyFile, Keys


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the file be checked at every call."""
    monkeypatch.setattr(keys, "_LOOK_SECONDS", 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a valid file."""
    path = tmp_path / "keys"
    path.touch(0o600)
    path.write_text("wharf:KEY\n+secret/=\n")
    return path


def test_two_lines(path: Path) -> None:
    """The first line is the access key, and the second the secret, which `repr` does not show."""
    found = KeyFile(str(path)).keys()
    assert found == Keys("wharf:KEY", "+secret/=")
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    "text", ["", "one\n", "one\ntwo\nthree\n", "one\n\n\ntwo", "a\x01b\nc", "clé\nc"]
)
def test_other_lines(path: Path, text: str) -> None:
    """A file without exactly two lines of ASCII is refused, and the error names the setting."""
    path.write_text(text)
    with pytest.raises(StoreUnavailable, match=r"WHARF_BLOB_KEY_FILE.*two lines"):
        KeyFile(str(path)).keys()


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o660, 0o644])
def test_a_file_of_everybody(path: Path, mode: int) -> None:
    """A file that other users can read or change is refused."""
    path.chmod(mode)
    with pytest.raises(StoreUnavailable, match="others can read it"):
        KeyFile(str(path)).keys()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The error about a missing file does not contain its path."""
    with pytest.raises(StoreUnavailable, match="No such file") as raised:
        KeyFile(str(tmp_path / "missing")).keys()
    assert str(tmp_path) not in str(raised.value)


def test_new_keys(path: Path) -> None:
    """A replaced file gives the new keys, and an unchanged one gives the same object."""
    file = KeyFile(str(path))
    assert file.keys() is file.keys()
    new = path.with_name("new")
    new.touch(0o600)
    new.write_text("other\nkeys\n")
    os.replace(new, path)
    assert file.keys() == Keys("other", "keys")


@pytest.mark.parametrize("harm", ["remove", "empty", "open"])
def test_a_change_that_fails(path: Path, harm: str) -> None:
    """If the changed file is not usable, the previous keys stay and an error is reported."""
    file = KeyFile(str(path))
    before = file.keys()
    good = path.read_text()
    if harm == "remove":
        path.unlink()
    else:
        path.write_text("" if harm == "empty" else good + "\n")
        path.chmod(0o600 if harm == "empty" else 0o666)
    assert file.keys() == before
    assert file.error is not None
    path.touch()
    path.chmod(0o600)
    path.write_text(good)
    assert file.keys() == before
    assert file.error is None
