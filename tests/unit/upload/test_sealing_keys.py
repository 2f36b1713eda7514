"""The keys of a file that changes while a service runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from servicekit.sealing import KeyRing, SealingKeyError
from wharf_upload.webhooks.sealing_keys import SealingKeys


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a file with one key."""
    path = tmp_path / "secrets.keys"
    KeyRing.create(path)
    return path


def test_a_file_that_changes(path: Path) -> None:
    """The next call after a change of the file returns the keys of the changed file."""
    keys = SealingKeys(path)
    old = keys().current_id
    new = keys().added(path).current_id
    assert keys().ids == [new, old]


def test_a_file_that_stays(path: Path) -> None:
    """The keys are read once as long as the file stays the same."""
    keys = SealingKeys(path)
    assert keys() is keys()


@pytest.mark.parametrize("damage", ["removed", "changed"])
def test_a_file_that_is_damaged(path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    """A file that becomes useless leaves the earlier keys in use; a change is logged once."""
    keys = SealingKeys(path)
    known = keys()
    if damage == "removed":
        path.unlink()
    else:
        path.write_text("no key\n", encoding="ascii")
    assert keys() is known
    assert keys() is known
    assert len(caplog.records) == (damage == "changed")


def test_without_a_file(tmp_path: Path) -> None:
    """A call raises an error until the file exists."""
    keys = SealingKeys(tmp_path / "secrets.keys")
    for _ in range(2):
        with pytest.raises(SealingKeyError):
            keys()
    KeyRing.create(tmp_path / "secrets.keys")
    assert keys().ids
