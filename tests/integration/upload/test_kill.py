"""kill -9 at each kind of system call during uploads, moves, deletions and sweeps."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from servicekit.testing import Issuer
from tests.servers.tracing import Strace, trace_of
from tests.servers.upload import UploadService, assemble, copy_database, settings_for
from tests.servers.upload_invariants import assert_nothing_else, assert_sound, live
from tests.servers.upload_script import STEPS, models

# The system calls of some machines, and the newer calls that replace them on others. strace ignores
# a call after `?` on a machine that does not have it.
CALLS = {
    "link": "?link,linkat",
    "fsync": "fsync",
    "fdatasync": "fdatasync",
    "unlink": "?unlink,unlinkat",
    "mkdir": "?mkdir,mkdirat",
    "write": "write",
    "pwrite64": "pwrite64",
    "copy_file_range": "copy_file_range",
    "fchmod": "fchmod",
}
_KILLS = 3


def script(data: Path, credentials: Path, before: list[str]) -> tuple[int, list[str]]:
    """Run all steps, and return the exit code and the acknowledged steps."""
    words = [sys.executable, "-m", "tests.servers.upload_script", str(data), str(credentials)]
    done = subprocess.run([*before, *words, *STEPS], capture_output=True, timeout=60, check=False)
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(reply["status"] < 300 for reply in replies), replies
    return done.returncode, [reply["step"] for reply in replies if reply["step"] in STEPS]


@pytest.fixture(scope="module")
def numbers(
    strace: Strace,
    upload_template: Path,
    credentials: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, int]:
    """Return how often each call is made without a kill."""
    data = tmp_path_factory.mktemp("undisturbed") / "data"
    copy_database(upload_template, data)
    tracing = strace(",".join(CALLS.values()))
    code, acknowledged = script(data, credentials, tracing)
    assert (code, acknowledged) == (0, list(STEPS))
    lines = [line for line in trace_of(tracing) if "resumed>" not in line]
    return {
        name: sum(f" {one.lstrip('?')}(" in line for line in lines for one in calls.split(","))
        for name, calls in CALLS.items()
    }


def positions(count: int) -> list[int]:
    """Return up to three numbers from 1 to `count`, at equal distances."""
    return sorted({1 + (count - 1) * step // (_KILLS - 1) for step in range(_KILLS)})


@pytest.mark.parametrize("call", CALLS)
def test_kill(
    call: str,
    numbers: dict[str, int],
    strace: Strace,
    upload_template: Path,
    credentials: Path,
    issuer: Issuer,
    tmp_path: Path,
) -> None:
    """After a kill at a system call of this kind, each acknowledged file is intact, and the rest is
    swept.
    """
    assert numbers[call], f"nothing calls {call} any more: take it from the list"
    killed = []
    for position in positions(numbers[call]):
        data = tmp_path / f"{call}-{position}"
        copy_database(upload_template, data)
        injection = f"{CALLS[call]}:signal=KILL:when={position}"
        code, acknowledged = script(data, credentials, strace(injection))
        # The number of new folders, and of the calls that make them, depends on the clock.
        killed.append(code in {-signal.SIGKILL, 128 + signal.SIGKILL})
        assert killed[-1] or (code, acknowledged) == (0, list(STEPS))
        after_restart(assemble(settings_for(data, durability="relaxed"), issuer), acknowledged)
    assert killed[0]


def after_restart(service: UploadService, acknowledged: list[str]) -> None:
    """Assert that the files are those of the model after the last acknowledged step or after the
    step under way, and that the service works.
    """
    count = len(acknowledged)
    assert acknowledged == list(STEPS)[:count]
    assert_sound(service)
    assert live(service) in models()[count : count + 2]
    assert_nothing_else(service)
    assert_sound(service)
    # The service works: a repeated step succeeds and makes one file.
    for _ in range(2):
        reply = STEPS["replace spooled"](service)
        assert reply.status_code == 201
    assert live(service)["spooled.txt"] == models()[-1]["spooled.txt"]
    assert_sound(service)
    assert_nothing_else(service)
    service.database.close()
