"""Modules of tests whose steps depend on their order, which ADR 71 calls stories."""

from __future__ import annotations

import re
from pathlib import Path

_MARKED = re.compile(r"^(pytestmark = |@).*mark\.story", re.MULTILINE)
ROOT = Path(__file__).resolve().parents[3]
# The steps of each module share an installation that takes minutes, or a killed process.
STORIES = {
    "tests/deploy/test_compose.py",
    "tests/deploy/test_compose_s3.py",
    "tests/integration/upload/test_kill_everything.py",
}


def test_no_other_tests_keep_an_order() -> None:
    """Only the tests of the listed modules depend on their order."""
    marked = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tests").rglob("test_*.py")
        if _MARKED.search(path.read_text(encoding="utf-8"))
    }
    assert marked == STORIES
