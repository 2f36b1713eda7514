"""Signing keys that the platform provides: a Kubernetes secret, mounted read-only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.filesystems import mounted
from wharf_auth import signing
from wharf_auth.signing import KeyRing, SigningKeyError

# A group of which root is not a member on any machine.
STRANGERS = 54321


@pytest.fixture
def secret(tmp_path: Path) -> Iterator[Path]:
    """Yield a secret as the kubelet arranges it: open folders, names that are symbolic links, one
    key.
    """
    with mounted(tmp_path / "keys", "tmpfs", "mode=1777") as folder:
        version = folder / "..2026_11_20"
        version.mkdir()
        (version / "1795000000-a.pem").write_bytes(signing.new_pem()[1])
        (version / "1795000000-a.pem").chmod(0o440)
        (folder / "..data").symlink_to(version.name)
        (folder / "1795000000-a.pem").symlink_to("..data/1795000000-a.pem")
        yield folder


def read_only(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)


def test_a_key_of_a_secret_is_taken(secret: Path) -> None:
    """auth accepts a key that its group may read and no user may write.

    The name of the key's file states when the key's time begins.
    """
    read_only(secret)
    (key,) = signing.load(secret).values()
    assert key.since == 1795000000


def test_a_key_that_can_be_changed_is_refused(secret: Path) -> None:
    """auth refuses a key that its group may read if the file system is not mounted read-only."""
    with pytest.raises(SigningKeyError, match="open to others"):
        signing.load(secret)


@pytest.mark.parametrize("mode", [0o444, 0o460, 0o644])
def test_a_key_open_to_more_than_the_group_is_refused(secret: Path, mode: int) -> None:
    """auth refuses a key that all users may read or that its group may write."""
    (secret / "1795000000-a.pem").chmod(mode)
    read_only(secret)
    with pytest.raises(SigningKeyError, match="open to others"):
        signing.load(secret)


def test_a_key_of_another_group_is_refused(secret: Path) -> None:
    """auth refuses a key that a group may read if auth's process is not a member of this group."""
    os.chown(secret / "1795000000-a.pem", 0, STRANGERS)
    read_only(secret)
    with pytest.raises(SigningKeyError, match="open to others"):
        signing.load(secret)


def test_a_retired_key_stays_in_its_secret(secret: Path) -> None:
    """A retired key in a secret is not published, and the sweep does not try to remove it."""
    new = secret / "..2026_11_20" / "1795090000-b.pem"
    new.write_bytes(signing.new_pem()[1])
    new.chmod(0o440)
    (secret / "1795090000-b.pem").symlink_to("..data/1795090000-b.pem")
    read_only(secret)
    ring = KeyRing(secret, lambda: 1795999999.0, 3600)
    assert [turn.state for turn in ring.turns()] == ["retired", "signing"]
    assert ring.sweep() == []
    assert len(ring.jwks()["keys"]) == 1


def test_a_name_that_is_the_keys_id_says_no_moment(tmp_path: Path) -> None:
    """If the name of a key's file contains no time, the key is as old as the file.

    `init` and `keys rotate` make such names.
    """
    kid = signing.create(tmp_path / "keys")
    path = tmp_path / "keys" / f"{kid}.pem"
    os.utime(path, (1795000000, 1795000000))
    assert signing.load(tmp_path / "keys")[kid].since == 1795000000
    path.rename(path.with_name("1600000000-old.pem"))
    assert signing.load(tmp_path / "keys")[kid].since == 1600000000
