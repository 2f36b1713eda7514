"""Growing files: what a crash at their end leaves can be gone on with."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

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
for _ in range(2):
    part = parts.open(upload)
    part.truncate(3)
    parts.commit(part, BlobName("demo", upload))
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
