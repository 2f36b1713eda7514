"""Limits for the length of files and functions. Tests, which are lists of claims, have no limit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.servers.sources import source

ROOT = Path(__file__).parents[3]
FOLDERS = ("libs", "services", "deploy", "loadtests", "docs")
MAX_FILE, MAX_FUNCTION = 350, 50
# Only files and functions with data and without logic may be longer.
LONG_FILES = {
    "deploy/observing/capacity.py": "the panels of one dashboard, listed",
}
LONG_FUNCTIONS = {
    "services/upload/src/wharf_upload/migrations/versions/0001_files.py:upgrade": (
        "the statements of a released schema; they do not change any more"
    ),
}


def _files(root: Path) -> Iterator[Path]:
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            # An environment or an installation below the repository is not our code.
            if not {".venv", "node_modules", "site-packages"} & set(path.parts):
                yield path


def long_files(root: Path) -> dict[str, int]:
    """Return the files that are too long, with their number of lines."""
    found = {
        str(path.relative_to(root)): len(path.read_text(encoding="utf-8").splitlines())
        for path in _files(root)
    }
    return {name: lines for name, lines in found.items() if lines > MAX_FILE}


def long_functions(root: Path) -> dict[str, int]:
    """Return the functions that are too long, with their lines. Decorators do not count."""
    found = {}
    for path in _files(root):
        for name, lines in source(path).functions:
            if lines > MAX_FUNCTION:
                found[f"{path.relative_to(root)}:{name}"] = lines
    return found


def test_only_lists_of_data_are_long_files() -> None:
    """Exactly the listed files are longer than the limit."""
    assert long_files(ROOT).keys() == LONG_FILES.keys(), long_files(ROOT)


def test_only_lists_of_data_are_long_functions() -> None:
    """Exactly the listed functions are longer than the limit."""
    assert long_functions(ROOT).keys() == LONG_FUNCTIONS.keys(), long_functions(ROOT)


def test_one_line_too_many_is_found(tmp_path: Path) -> None:
    """One line above the limit is found in a file, in a function and in a method."""
    (tmp_path / "docs").mkdir()
    method = "class A:\n    def good(self):\n" + "        pass\n" * (MAX_FUNCTION - 1)
    method += "    async def bad(self):\n" + "        pass\n" * MAX_FUNCTION
    (tmp_path / "docs/a.py").write_text(method)
    (tmp_path / "docs/b.py").write_text("\n" * MAX_FILE)
    (tmp_path / "docs/c.py").write_text("\n" * (MAX_FILE + 1))
    assert long_functions(tmp_path) == {"docs/a.py:bad": MAX_FUNCTION + 1}
    assert long_files(tmp_path) == {"docs/c.py": MAX_FILE + 1}
