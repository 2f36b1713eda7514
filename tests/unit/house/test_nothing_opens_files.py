"""Services that receive files of unknown clients have no code that opens the content."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("services/upload/src", "services/images/src", "services/console/src")
# Modules that unpack archives, parse XML or run a shell.
MEANS = frozenset(
    ("bz2", "gzip", "lzma", "tarfile", "zipfile", "xml", "lxml", "html", "pty", "subprocess")
)
CALLS = frozenset(("decompress", "decompressobj", "unpack_archive", "os.system", "os.popen"))
_ENDS = frozenset(name.rpartition(".")[2] for name in CALLS)


def means(source: str) -> Iterator[str]:
    """Yield the modules and functions in a source that could open a file's content."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.partition(".")[0] in MEANS)
        elif isinstance(node, ast.ImportFrom):
            if str(node.module).partition(".")[0] in MEANS:
                yield str(node.module)
            yield from (a.name for a in node.names if a.name in CALLS)
        elif isinstance(node, ast.Attribute) and node.attr in _ENDS:
            yield from CALLS & {node.attr, ast.unparse(node)}
        elif isinstance(node, ast.keyword) and node.arg == "shell":
            yield "shell"


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_opens_files(package: str) -> None:
    """Rows 33, 35, 38: no module unpacks archives, parses XML, or starts a program or a shell."""
    paths = sorted((ROOT / package).rglob("*.py"))
    assert len(paths) > 10
    found = {str(path): sorted(means(path.read_text(encoding="utf-8"))) for path in paths}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import os, zipfile",
        "import xml.etree.ElementTree as tree",
        "from lxml import etree",
        "from zlib import decompress",
        "import zlib\nzlib.decompressobj()",
        "import shutil\nshutil.unpack_archive('a')",
        "import os\nos.popen('a')",
        "run('a', shell=True)",
    ],
)
def test_means_are_found(source: str) -> None:
    """The search finds modules and functions that could open a file, however they are imported or
    called.
    """
    assert list(means(source))
