"""Pages that introduce the code name only files and functions that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
UPLOAD = ROOT / "services/upload/src/wharf_upload"
ARCHITECTURE = ROOT / "docs/architecture.md"
PAGES = (ARCHITECTURE, ROOT / "docs/glossary.md", *sorted((ROOT / "docs/how-to").glob("*.md")))
# Names of files are in backticks; names with other endings are data, which no repository has.
_FILE = re.compile(
    r"`([\w.<>-]+\.py|[\w./<>-]+/(?:[\w.<>-]+\.(?:py|md|ya?ml|template|conf|ini|sh))?)`"
)
_TOP = ("services/", "libs/", "deploy/", "docs/", "tests/", "loadtests/")
_LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
# A step of a way through the code: number, module, function.
_STEP = re.compile(r"^\| (\d+) \| `([\w/]+\.py)` \| `([\w.]+)`", re.MULTILINE)
_ROOM = re.compile(r"^\| `(\w+)/` \|", re.MULTILINE)
WAYS = {"The way of a small PUT": 15, "The way of a tus PATCH": 25}


def _named(page: Path) -> set[str]:
    """Return the files and folders that a page names; `<what>` stands for any name."""
    names = _FILE.findall(page.read_text(encoding="utf-8"))
    return {name for name in names if not name.startswith(("/", "<"))}


def _exists(name: str, page: Path) -> bool:
    """Tell whether a file exists below the root, the upload service, or the folder of its page."""
    place = name.partition("<")[0].rpartition("/")[0] if "<" in name else name
    bases = (ROOT,) if name.startswith(_TOP) else (ROOT, UPLOAD, page.parent, ROOT / "deploy/nginx")
    return any((base / place).exists() for base in bases)


def _section(title: str) -> str:
    """Return the text below a heading of docs/architecture.md."""
    text = ARCHITECTURE.read_text(encoding="utf-8")
    return text.partition(f" {title}\n")[2].partition("\n#")[0]


def _functions(module: Path) -> set[str]:
    """Return the functions of a module, methods as `Class.method`."""
    found = set()
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            methods = (part for part in node.body if isinstance(part, ast.FunctionDef))
            found |= {f"{node.name}.{method.name}" for method in methods}
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_exist(page: Path) -> None:
    """Each file that a page names exists."""
    assert {name for name in _named(page) if not _exists(name, page)} == set()


def test_a_missing_file_is_noticed(tmp_path: Path) -> None:
    """A file that does not exist is noticed; if a name has `<…>`, only its folder must exist."""
    page = tmp_path / "page.md"
    page.write_text("`records/rows.py` `tests/none/test_x.py` `none/<what>.py` `routes/<what>.py`")
    missing = {name for name in _named(page) if not _exists(name, page)}
    assert missing == {"records/rows.py", "tests/none/test_x.py", "none/<what>.py"}


@pytest.mark.parametrize("title", WAYS)
def test_a_way_is_short_and_its_calls_exist(title: str) -> None:
    """The steps of a way through the code are numbered and few, each in another module, and name
    functions that exist.
    """
    steps = _STEP.findall(_section(title))
    assert [int(number) for number, _, _ in steps] == list(range(1, len(steps) + 1))
    assert 5 < len(steps) <= WAYS[title]
    modules = [module for _, module, _ in steps]
    assert len(modules) == len(set(modules))
    missing = {name for _, module, name in steps if name not in _functions(UPLOAD / module)}
    assert missing == set()


def test_every_room_of_upload_is_in_the_table() -> None:
    """The table of upload's packages has exactly the packages that exist."""
    folders = {
        path.name for path in UPLOAD.iterdir() if path.is_dir() and path.name != "__pycache__"
    }
    assert set(_ROOM.findall(_section("The packages of upload"))) == folders


def test_the_index_of_the_how_tos_lists_all() -> None:
    """The index of the how-tos links to each page of the folder."""
    folder = ROOT / "docs/how-to"
    linked = set(_LINK.findall((folder / "README.md").read_text(encoding="utf-8")))
    assert linked == {path.name for path in folder.glob("*.md")} - {"README.md"}
