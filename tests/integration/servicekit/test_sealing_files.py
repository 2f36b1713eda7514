"""Files of sealing keys that several processes write, and files on a read-only mount."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from servicekit.sealing import KeyRing, SealingKeyError
from tests.servers.filesystems import mounted

_CREATOR = """
import sys
from pathlib import Path
from servicekit.sealing import KeyRing
print("ready", flush=True)
sys.stdin.readline()
print(KeyRing.create(Path(sys.argv[1])).current_id, flush=True)
"""
_ADDER = """
import sys
from pathlib import Path
from servicekit.sealing import KeyRing
path = Path(sys.argv[1])
ring = KeyRing.load(path)
for _ in range(20):
    print(ring.added(path).current_id, flush=True)
"""


def started(script: str, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_creators_get_the_same_ring(tmp_path: Path) -> None:
    """Processes that create the same file at the same time all get the ring of one key."""
    path = tmp_path / "keys"
    children = [started(_CREATOR, path) for _ in range(4)]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    ids = {child.communicate()[0].strip() for child in children}
    assert ids == {KeyRing.load(path).current_id}


def test_no_added_key_is_lost(tmp_path: Path) -> None:
    """The file has every key that two processes added at the same time."""
    path = tmp_path / "keys"
    KeyRing.create(path)
    children = [started(_ADDER, path) for _ in range(2)]
    ids = [key_id for child in children for key_id in child.communicate()[0].split()]
    assert len(ids) == 40
    assert {line.split()[0] for line in path.read_text().splitlines()} > set(ids)


def test_a_read_only_mount_is_enough(tmp_path: Path) -> None:
    """A ring on a read-only mount is created, seals and opens; only adding a key fails."""
    with mounted(tmp_path / "secrets", "tmpfs", "size=1m") as folder:
        path = folder / "keys"
        key_id = KeyRing.create(path).current_id
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        ring = KeyRing.create(path)
        assert ring.open(ring.seal(b"secret", "a"), "a") == b"secret"
        assert ring.current_id == key_id
        with pytest.raises(SealingKeyError, match="Read-only file system"):
            ring.added(path)
