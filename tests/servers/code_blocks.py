"""Code blocks of README.md and docs/, which tests run unchanged."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def blocks(page: str, heading: str, kind: str = "sh") -> list[str]:
    """Return the code blocks of a kind below a heading (`##`) of a page.

    Args:
        page: its path from the root of the checkout.
        heading: the text of the heading.
        kind: the word after the three backticks that begin a block.
    """
    text = (ROOT / page).read_text(encoding="utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{kind}\n(.*?)```", section, re.DOTALL)
