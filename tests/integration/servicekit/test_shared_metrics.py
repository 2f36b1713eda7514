"""Files of shared metrics: the counts of dead processes stay in the total, each exactly once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from servicekit.metrics import shared_files
from servicekit.metrics.shared_files import merged
from tests.servers.exposition import Exposition

_PROCESS = """
import sys
from prometheus_client import Counter, Gauge, Histogram
Counter("done_total", "Done.", ("what",)).labels("x").inc(int(sys.argv[1]))
Gauge("now", "Now.", multiprocess_mode="livesum").set(int(sys.argv[1]))
Histogram("took_seconds", "Took.", buckets=(1, 2)).observe(1.5)
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def process(folder: Path, amount: int) -> Iterator[subprocess.Popen[str]]:
    """Start a process that counts `amount` and keeps running."""
    with subprocess.Popen(
        [sys.executable, "-c", _PROCESS, str(amount)],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        try:
            yield child
        finally:
            child.kill()


def kill(child: subprocess.Popen[str]) -> None:
    child.send_signal(signal.SIGKILL)
    child.wait()


def scrape(folder: Path) -> Exposition:
    """Return the metrics that a scrape reads."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    with merged(folder):
        return Exposition(generate_latest(registry).decode())


def test_the_dead_go_on_to_count(tmp_path: Path) -> None:
    """Counters and histograms of killed processes stay, and their gauges and files are removed."""
    with process(tmp_path, 1) as living:
        for amount in (10, 100, 1000):
            with process(tmp_path, amount) as child:
                kill(child)
        for _ in range(3):
            found = scrape(tmp_path)
            assert found.sum("done_total", what="x") == 1111
            assert found.sum("took_seconds_bucket", le="2.0") == 4
            assert found.sum("took_seconds_sum") == 6.0
            assert found.sum("now") == 1
        kept = {path.name for path in tmp_path.glob("*.db")}
        assert kept == {
            *(f"{kind}_{living.pid}.db" for kind in ("counter", "gauge_livesum", "histogram")),
            "counter_0.db",
            "histogram_0.db",
        }


def test_an_id_that_came_again_is_no_life(tmp_path: Path) -> None:
    """If a new process has the id of a dead process, the gauges of the dead process still end."""
    with process(tmp_path, 5) as child:
        kill(child)
        for path in tmp_path.glob(f"*_{child.pid}.db"):
            path.rename(path.with_name(path.name.replace(str(child.pid), str(os.getpid()))))
    found = scrape(tmp_path)
    assert found.sum("now") == 0
    assert found.sum("done_total") == 5


def test_processes_of_another_master_live(tmp_path: Path) -> None:
    """A merge keeps the files of a living process that is not a child of the merging process.

    While a service restarts, its old processes are not children of the new master.
    """
    with process(tmp_path, 5) as child:
        script = (
            "import sys; from pathlib import Path; from servicekit.metrics.shared_files import *"
        )
        script += "\nwith merged(Path(sys.argv[1])): pass"
        environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
        subprocess.run([sys.executable, "-c", script, tmp_path], check=True, env=environ)
        assert (tmp_path / f"counter_{child.pid}.db").exists()
        assert scrape(tmp_path).sum("now") == 5


@pytest.mark.parametrize("step", range(8))
def test_a_merge_that_is_cut_off_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """After a merge that is interrupted at any step, the next merge loses no count
    and counts nothing twice.
    """
    for amount in (3, 4):
        with process(tmp_path, amount) as child:
            kill(child)
    left = iter(range(step))

    def cut(method: str) -> None:
        original = getattr(Path, method)

        def step_or_end(self: Path, *arguments: object, **words: object) -> object:
            if self.is_relative_to(tmp_path) and next(left, None) is None:
                raise KeyboardInterrupt
            return original(self, *arguments, **words)

        monkeypatch.setattr(Path, method, step_or_end)

    for method in ("rename", "replace", "unlink"):
        cut(method)
    try:
        with merged(tmp_path):
            pass
    except KeyboardInterrupt:
        pass
    monkeypatch.undo()
    found = scrape(tmp_path)
    assert found.sum("done_total") == 7
    assert found.sum("took_seconds_count") == 2


def test_an_empty_file_harms_nobody(tmp_path: Path) -> None:
    """A scrape ignores the empty file of a process that was killed while it created the file."""
    (tmp_path / "counter_999999999.db").touch()
    assert scrape(tmp_path).text == ""
    assert not shared_files.is_held(tmp_path / "counter_999999999.db")
