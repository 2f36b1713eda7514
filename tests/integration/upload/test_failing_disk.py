"""An fsync that fails with EIO in a real process, by means of strace."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from servicekit.testing import Issuer
from tests.servers.tracing import Strace, trace_of
from tests.servers.upload import assemble, settings_for
from tests.servers.upload_invariants import assert_nothing_else, assert_sound, live

_FAILED = re.compile(r"fsync\(\d+<(?P<path>[^>]*)>.* = -1 EIO")
_SYNCED = re.compile(r"fsync\(\d+<(?P<path>[^>]*)>")
STEPS = ["small", "spooled", "form"]


def run(
    data: Path, credentials: Path, steps: list[str], before: list[str]
) -> dict[str, dict[str, Any]]:
    """Run the steps in a process, and return the responses by step."""
    words = [sys.executable, "-m", "tests.servers.upload_script", str(data), str(credentials)]
    done = subprocess.run([*before, *words, *steps], capture_output=True, timeout=60, check=True)
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    return {reply["step"]: reply for reply in replies}


def repeated(lines: list[str]) -> list[str]:
    """Return the paths that were synced again after their fsync had failed."""
    failed: set[str] = set()
    found = []
    for line in lines:
        synced = _SYNCED.search(line)
        if synced is None:
            continue
        if synced["path"] in failed:
            found.append(synced["path"])
        if _FAILED.search(line):
            failed.add(synced["path"])
    return found


@pytest.mark.parametrize("step", STEPS)
def test_every_sync_fails(
    step: str, upload_data: Path, credentials: Path, strace: Strace, issuer: Issuer
) -> None:
    """When each fsync fails, an upload gets 500 `storage-failed` and leaves nothing, and the
    service is not ready. No failed fsync is repeated.
    """
    tracing = strace("fsync:error=EIO")
    replies = run(upload_data, credentials, [step], tracing)
    assert replies[step] == {"step": step, "status": 500, "problem": "storage-failed"}
    assert replies["ready"]["status"] == 503
    lines = trace_of(tracing)
    assert any(_FAILED.search(line) for line in lines)
    assert repeated(lines) == []

    service = assemble(settings_for(upload_data, durability="relaxed"), issuer)
    assert live(service) == {}
    assert service.blobs() == set()
    assert_nothing_else(service)
    assert_sound(service)
    service.database.close()


@pytest.mark.parametrize("step", STEPS)
def test_one_sync_fails(
    step: str,
    upload_template: Path,
    credentials: Path,
    strace: Strace,
    issuer: Issuer,
    tmp_path: Path,
) -> None:
    """When one fsync of a blob fails, the upload is refused, and no failed fsync is repeated."""
    outcomes: Counter[int] = Counter()
    for position in range(1, 6):
        data = tmp_path / str(position)
        (data / "upload").mkdir(parents=True)
        (data / "upload/upload.db").write_bytes(upload_template.read_bytes())
        tracing = strace(f"fsync:error=EIO:when={position}")
        replies = run(data, credentials, [step], tracing)
        failed = [path["path"] for line in trace_of(tracing) if (path := _FAILED.search(line))]
        assert repeated(trace_of(tracing)) == []
        service = assemble(settings_for(data, durability="relaxed"), issuer)
        if any("/tenants" in path or "/staging" in path for path in failed):
            assert replies[step]["problem"] == "storage-failed"
            assert replies["ready"]["status"] == 503
            assert live(service) == {}
        outcomes[replies[step]["status"]] += 1
        assert_sound(service)
        assert_nothing_else(service)
        service.database.close()
    assert outcomes[500] >= 2
