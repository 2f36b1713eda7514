"""The check whether a database has the current schema. If it has, a start does not import the
migrations.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from servicekit.database import open_database
from servicekit.database.revisions import is_at

TABLE = "some_revision"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'some.db'}"
    found: str = request.getfixturevalue("new_postgres_url")
    return found


def written(url: str, *revisions: str) -> None:
    """Make the table of revisions with the given revisions."""
    database = open_database(url, durable=False)
    with database.transaction() as connection:
        connection.execute(f"CREATE TABLE {TABLE} (version_num TEXT NOT NULL)")
        connection.execute_many(
            f"INSERT INTO {TABLE} (version_num) VALUES (?)", [(one,) for one in revisions]
        )
    database.close()


@pytest.mark.parametrize(
    ("revisions", "answer"),
    [(["0007"], True), (["0006"], False), (["0008"], False), ([], False)],
    ids=["this one", "an older one", "a newer one", "none"],
)
def test_only_this_revision_counts(url: str, revisions: list[str], answer: bool) -> None:  # noqa: FBT001 -- a parameter
    """Only the requested revision counts as current."""
    written(url, *revisions)
    assert is_at(url, TABLE, "0007") is answer


def test_an_empty_database(url: str, tmp_path: Path) -> None:
    """A database without tables has no revision, and the check creates no file."""
    assert not is_at(url, TABLE, "0007")
    assert list(tmp_path.iterdir()) == []


def test_a_database_out_of_reach() -> None:
    """A database that cannot be reached counts as one without a revision, so a migration runs
    and reports the reason.
    """
    assert not is_at("postgresql://wharf@/wharf?host=/nonexistent", TABLE, "0007")
