"""Imports of tests: shared helpers are in tests/servers, and unit tests start no process."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from tests.servers.sources import source

ROOT = Path(__file__).parents[3]
TESTS = ROOT / "tests"
# Modules that start another process.
STARTERS = frozenset({"multiprocessing", "pty", "subprocess"})
# The tests in these folders run Python and linters on the repository. The guard's test contains all
# ways to start a program.
MAY_START = ("docs/", "house/", "test_no_programs.py")


@cache
def imported(file: Path) -> frozenset[str]:
    """Return the full names of a file's imported modules and of the names from them."""
    content = source(file)
    found = {alias.name for node in content.imports for alias in node.names}
    for node in content.imports_from:
        if node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def way_to_a_starter(file: Path) -> list[str]:
    """Return the chain of imports from a file to a module that starts processes, or no imports."""
    ways: dict[Path, list[str]] = {file: []}
    for helper in (queue := [file]):
        names = imported(helper)
        if direct := sorted(names & STARTERS):
            return [*ways[helper], direct[0]]
        for name in sorted(names):
            further = ROOT / f"{name.replace('.', '/')}.py"
            if name.startswith("tests.") and further not in ways and further.is_file():
                ways[further] = [*ways[helper], name]
                queue.append(further)
    return []


def test_nobody_imports_the_tests_of_a_whole_wharf() -> None:
    """No file outside tests/e2e imports from tests/e2e; shared helpers are in tests/servers."""
    folders = [
        TESTS,
        *(ROOT / name for name in ("loadtests", "docs", "deploy", "services", "libs")),
    ]
    files = [path for folder in folders for path in folder.rglob("*.py")]
    assert len(files) > 1000
    wrong = {
        str(path.relative_to(ROOT))
        for path in files
        # Only files with the name in their text are parsed, which is faster.
        if not path.is_relative_to(TESTS / "e2e")
        and b"e2e" in path.read_bytes()
        and any(f"{name}.".startswith("tests.e2e.") for name in imported(path))
    }
    assert wrong == set()


def test_unit_tests_import_nothing_that_starts_servers() -> None:
    """Except in `MAY_START`, no unit test imports a module that starts a process, even through
    other modules.
    """
    files = [
        path
        for path in (TESTS / "unit").rglob("*.py")
        if not str(path.relative_to(TESTS / "unit")).startswith(MAY_START)
    ]
    assert len(files) > 200
    ways = {str(path.relative_to(TESTS)): way_to_a_starter(path) for path in files}
    assert {name: way for name, way in ways.items() if way} == {}


def test_the_way_is_found() -> None:
    """The test finds an import of a module that starts servers through other modules."""
    assert way_to_a_starter(TESTS / "servers/small_pictures.py") == [
        "tests.servers.nginx",
        "subprocess",
    ]
