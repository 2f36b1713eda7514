"""Before uWSGI's master forks, the loaded service runs no other thread."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from servicekit import before_fork

# Loads the module of a service, and prints the number of threads. The timers run late, as on a busy
# machine.
_LOADED = """
import threading
timer = threading.Timer.__init__
threading.Timer.__init__ = lambda self, seconds, *rest, **more: timer(self, 0.3, *rest, **more)
import {module}
print(threading.active_count())
"""


def test_a_timer_has_run() -> None:
    """`join_timers` waits until a timer that was started before has run."""
    ran = threading.Event()
    threading.Timer(0.05, ran.set).start()
    before_fork.join_timers()
    assert ran.is_set()


@pytest.mark.parametrize("module", ["wharf_auth.wsgi", "wharf_upload.processes.web"])
def test_a_loaded_application_has_no_thread(tmp_path: Path, module: str) -> None:
    """A loaded service has one thread: the thread that loaded it."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("WHARF_")}
    environ = {
        **own,
        "WHARF_DATA": str(tmp_path),
        "WHARF_LIMITS_URL": "memory://",
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
    }
    if module.startswith("wharf_auth"):
        command = [str(Path(sys.executable).with_name("wharf-auth"))]
        for step in ("migrate", "init"):
            subprocess.run([*command, step], env=environ, check=True, capture_output=True)
    loaded = subprocess.run(
        [sys.executable, "-c", _LOADED.format(module=module)],
        env=environ,
        check=False,
        capture_output=True,
        text=True,
    )
    assert loaded.stdout.split()[-1:] == ["1"], loaded.stderr
