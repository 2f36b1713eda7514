"""What the supervisor imports for its children, and how a child goes on from there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from wharf_native.preloading import is_own_script

_IMPORTS = """
import os, sys
from wharf_native.preloading import SHARED_MODULES, preload
before = set(os.listdir("/proc/self/fd"))
preload()
print(len(set(SHARED_MODULES) - set(sys.modules)))
print(len(set(os.listdir("/proc/self/fd")) - before))
print(len(os.listdir("/proc/self/task")))
print(sum(name.endswith(".metrics") and not name.startswith("prometheus") for name in sys.modules))
print("PROMETHEUS_MULTIPROC_DIR" in os.environ)
"""


def test_what_is_shared_can_be_shared() -> None:
    """All of it is importable, opens no file, starts no thread, and declares no metric of ours.

    A descriptor would be closed behind its owner's back in the child, a thread would not be there,
    and a metric would belong to both services.
    """
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTS], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["0", "0", "1", "0", "False"]


# A supervisor that holds a descriptor, as the real one holds the lock on the data.
_SUPERVISOR = """
import json, os, signal, sys, time
from wharf_native.children import Child
from wharf_native.program import Program
script, log, environment = sys.argv[1:]
held = os.open("/", os.O_RDONLY)
program = Program(
    "script",
    [script, "word"],
    json.loads(environment),
    graceful=signal.SIGTERM,
    fast=signal.SIGKILL,
    preloaded=True,
)
child = Child(program, log)
child.start()
while (how := child.ended()) is None:
    time.sleep(0.01)
print(how)
"""


def run(tmp_path: Path, script: str, **environment: str) -> tuple[str, str]:
    """What a script printed, and how it ended, started as a copy of a supervisor."""
    path, log = tmp_path / "script", tmp_path / "log"
    path.write_text(f"#!{sys.executable}\n{script}")
    path.chmod(0o755)
    command = [sys.executable, "-c", _SUPERVISOR, str(path), str(log), json.dumps(environment)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return log.read_text(), done.stdout.strip()


def test_a_script_sees_its_own_arguments_and_environment(tmp_path: Path) -> None:
    """Nothing of the supervisor's environment and command line is left."""
    script = "import os, sys; print(__name__, sys.argv[1:], dict(os.environ))"
    output, how = run(tmp_path, script, ONLY="this")
    assert output == "__main__ ['word'] {'ONLY': 'this'}\n"
    assert how == "ended with exit code 0"


def test_a_script_has_no_descriptors_of_the_supervisor(tmp_path: Path) -> None:
    """The lock on the data above all: whoever holds it keeps the next start away."""
    output, _ = run(tmp_path, "import os; print(sorted(os.listdir('/proc/self/fd'), key=int))")
    # The fourth is the listing's own.
    assert output == "['0', '1', '2', '3']\n"


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit('no such thing')", 1, "no such thing"),
        ("raise SystemExit", 0, ""),
        ("1 / 0", 1, "ZeroDivisionError"),
    ],
)
def test_a_script_ends_as_under_a_python_of_its_own(
    tmp_path: Path, script: str, code: int, words: str
) -> None:
    """Exit codes, last words and tracebacks are those that Python gives."""
    output, how = run(tmp_path, script)
    assert how == f"ended with exit code {code}"
    assert words in output


def test_other_programs_are_no_own_scripts(tmp_path: Path) -> None:
    """Binaries, scripts of another Python and missing files are left to exec."""
    other = tmp_path / "other"
    other.write_text("#!/usr/bin/env python3\n")
    own = tmp_path / "own"
    own.write_text(f"#!{sys.executable}\n")
    assert is_own_script(str(own))
    assert not is_own_script(str(other))
    assert not is_own_script("/bin/sh")
    assert not is_own_script(str(tmp_path / "missing"))
