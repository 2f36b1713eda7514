"""Growing files: what a crash at their end leaves can be gone on with."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from wharf_upload.stores.base import BlobMissing, BlobName
from wharf_upload.stores.local import LocalStore
from wharf_upload.stores.parts import Parts

_NOBODY = 65534
_COMMIT_TWICE = """
import os
import sys
from pathlib import Path
from wharf_upload.stores.base import BlobName
from wharf_upload.stores.local import LocalStore
from wharf_upload.stores.parts import Parts

os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
store = LocalStore(Path(sys.argv[1]), durable=False)
store.prepare()
parts = Parts(store, Path(sys.argv[1]) / "resumable")
upload = "ab" * 16
parts.create(upload)
for blob in ("cd" * 16, "ef" * 16):
    part = parts.open(upload)
    part.truncate(3)
    parts.commit(part, BlobName("demo", blob))
    part.close()
print(parts.size(upload))
"""


def test_opened_again_after_its_commit() -> None:
    """A part that became a blob, and whose record failed, is opened again by who is not root."""
    if os.geteuid():
        pytest.skip("becoming somebody else needs root")
    with tempfile.TemporaryDirectory(prefix="wharf-parts-") as folder:
        os.chown(folder, _NOBODY, _NOBODY)
        done = subprocess.run(
            [sys.executable, "-c", _COMMIT_TWICE, str(Path(folder) / "data")],
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr


def test_completed_between_opening_and_locking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part that another process completes at this very moment is not handed out: it is a blob."""
    store = LocalStore(tmp_path, durable=False)
    store.prepare()
    parts, upload = Parts(store, tmp_path / "resumable"), "ab" * 16
    parts.create(upload)

    def lock(*_: object) -> None:
        path = tmp_path / "resumable" / upload
        store.link(str(path), BlobName("demo", upload))
        path.unlink()

    monkeypatch.setattr("wharf_upload.stores.parts.fcntl.flock", lock)
    with pytest.raises(BlobMissing):
        parts.open(upload)
