"""Many threads of several processes write at the same time, as the workers of uWSGI do."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest

from servicekit.database import Database
from tests.servers.upload import faults_in_counts

_THREADS, _FILES = 32, 4


@pytest.mark.usefixtures("all_tenants")
def test_two_processes_of_many_threads(database_url: str, database: Database) -> None:
    """If 64 writers compete for a key, exactly one gets it. Each writer gets all keys
    that it alone uses.
    """
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.servers.upload_writer", database_url),
                *(str(_THREADS), str(_FILES), word),
            ],
            stdout=subprocess.PIPE,
        )
        for word in ("first", "second")
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    outcomes = [outcome for output in outputs for outcome in json.loads(output).items()]
    assert len(outcomes) == 2 * 2 * _THREADS * _FILES

    winners = Counter(key.split()[0] for key, outcome in outcomes if outcome != "KeyTaken")
    assert all(count == 1 for count in winners.values())
    assert len(winners) == _FILES + 2 * _THREADS * _FILES

    rows: dict[str, str] = dict(database.reading().rows("SELECT key, blob FROM files"))
    told = {key.split()[0]: outcome for key, outcome in outcomes if outcome != "KeyTaken"}
    assert rows == told
    assert faults_in_counts(database) == []
    events = database.reading().rows("SELECT count(*), count(DISTINCT seq) FROM events")
    assert events == [(len(rows), len(rows))]
