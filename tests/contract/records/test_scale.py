"""Operations of the records cost the same for any number of files. Tests count the costs.

The data is that of `loadtests.scale`, in a size that a test can make. `make scale`
measures ten million files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from loadtests.scale.case import Case
from loadtests.scale.filling import fill
from loadtests.scale.operations import OPERATIONS, Operation
from loadtests.scale.plans import Plan, Recorder, explain, pages_read
from loadtests.scale.rows import Generated
from loadtests.scale.spread import tenants
from servicekit.database import open_database
from servicekit.database.sqlite import SqliteDatabase
from tests.servers.postgres import PostgresServer
from tests.servers.upload_databases import DIALECTS
from wharf_upload.database.sql import SqlRecords

# The numbers of tenants and files. A page of 100 is full in the small database. Folders are large
# in the full database.
_SMALL, _FULL = (5, 3_000), (50, 60_000)
# PostgreSQL 17 reads an index page once for all names on it. In the small table names share
# pages, in the large one they rarely do: each name may cost the pages of a separate lookup.
_PAGES_A_LOOKUP = 2


@dataclass
class Filled:
    """A database with records and the case that the operations use."""

    recorder: Recorder
    case: Case


@dataclass
class Pair:
    """A database with a little data and one with twenty times as much of the same kind."""

    small: Filled
    full: Filled


@pytest.fixture(scope="module", params=DIALECTS)
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    """Yield both databases, with statistics for their query planners."""
    folder = tmp_path_factory.mktemp("scale")
    pair = Pair(*(_filled(request, folder, *size) for size in (_SMALL, _FULL)))
    yield pair
    pair.small.recorder.close()
    pair.full.recorder.close()


def _filled(
    request: pytest.FixtureRequest, folder: Path, tenant_count: int, file_count: int
) -> Filled:
    url = f"sqlite:///{folder}/{file_count}.db"
    if request.param == "postgresql":
        postgres: PostgresServer = request.getfixturevalue("postgres")
        url = postgres.new_database()
    fill(url, Generated(tenant_count, file_count))
    recorder = Recorder(open_database(url, durable=False))
    case = Case(SqlRecords(recorder), tenants(tenant_count, file_count), Random(5))
    return Filled(recorder, case)


@pytest.fixture(params=OPERATIONS, ids=lambda operation: operation.title)
def operation(request: pytest.FixtureRequest) -> Operation:
    """Return each operation in turn."""
    found: Operation = request.param
    return found


def plans(filled: Filled, operation: Operation) -> dict[str, Plan]:
    """Return the plan of each statement of an operation, once with its
    parameters and once without.
    """
    run = operation.prepare(filled.case)
    filled.recorder.calls.clear()
    run()
    database = filled.recorder.database
    return {
        f"{sql}{' (generic)' * generic}": explain(database, (sql, parameters), generic=generic)
        for sql, parameters in filled.recorder.statements.items()
        for generic in (False, True)
    }


def test_plans(pair: Pair, operation: Operation) -> None:
    """No statement reads a whole table or index, or sorts, with little data and with much data."""
    for filled in (pair.small, pair.full):
        found = plans(filled, operation)
        assert found
        assert {sql: plan.faults for sql, plan in found.items() if plan.faults} == {}


def cost(filled: Filled, operation: Operation) -> tuple[int, int]:
    """Return the number of statements and their cost: steps of SQLite, or
    pages that PostgreSQL reads.
    """
    run = operation.prepare(filled.case)
    database = filled.recorder.database
    filled.recorder.calls.clear()
    if isinstance(database, SqliteDatabase):
        steps = _sqlite_steps(database, run)
        return len(filled.recorder.calls), steps
    run()
    calls = list(filled.recorder.calls)
    queries = [(sql, values) for sql, values in calls if sql.startswith("SELECT")]
    return len(calls), sum(pages_read(database, query) for query in queries)


def _sqlite_steps(database: SqliteDatabase, run: object) -> int:
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    connections = [connection.raw for connection in database.connections()]
    for raw in connections:
        raw.set_progress_handler(count, 1)
    try:
        assert callable(run)
        run()
    finally:
        for raw in connections:
            raw.set_progress_handler(None, 0)
    return steps


def test_growth(pair: Pair, operation: Operation) -> None:
    """With twenty times as many files an operation needs at most one more statement.

    The work of an operation grows only because an index may be one level deeper.
    """
    small_calls, small = cost(pair.small, operation)
    full_calls, full = cost(pair.full, operation)
    # An operation may need one more statement to find the bucket of the file.
    assert full_calls <= small_calls + 1
    alone = _PAGES_A_LOOKUP * operation.lookups
    # One step down the index for each statement, because the index may be a level deeper.
    assert full <= 1.3 * max(small, alone) + full_calls + 20
