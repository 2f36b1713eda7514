"""Whether a database has a schema already: what a start asks before it loads what migrates."""

from __future__ import annotations

from pathlib import Path

import pytest

from servicekit.database import open_database
from servicekit.database.revisions import is_at

TABLE = "some_revision"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'some.db'}"
    found: str = request.getfixturevalue("new_postgres_url")
    return found


def written(url: str, *revisions: str) -> None:
    """Makes the table of revisions, with these in it."""
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
    """Exactly the revision that is asked for is there, or there is something to do or to say."""
    written(url, *revisions)
    assert is_at(url, TABLE, "0007") is answer


def test_an_empty_database(url: str, tmp_path: Path) -> None:
    """A database without tables is at no revision, and the question makes no file."""
    assert not is_at(url, TABLE, "0007")
    assert list(tmp_path.iterdir()) == []


def test_a_database_out_of_reach() -> None:
    """Where nobody can be asked the answer is no; what migrates says what is wrong."""
    assert not is_at("postgresql://wharf@/wharf?host=/nonexistent", TABLE, "0007")
