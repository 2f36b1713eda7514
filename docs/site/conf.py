"""Configuration of Sphinx: `make site` builds the pages of the checkout as a site in build/site.

The source folder is the root of the checkout, so links between README.md, docs/ and tests/ work as
they do in the files. The front page is README.md. The navigation is not written in the pages, since
other readers of Markdown would show it as code: this file adds the navigation while Sphinx reads
the pages.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parents[2]

project = "Wharf"
extensions = ["myst_parser"]
root_doc = "README"
include_patterns = [
    "*.md",
    "docs/*.md",
    "docs/adr/*.md",
    "docs/how-to/*.md",
    "docs/runbooks/*.md",
    "requirements/README.md",
    "tests/README.md",
]
# Sphinx does not descend into these folders.
exclude_patterns = [".*", "build", "deploy", "libs", "loadtests", "services", "var"]

myst_enable_extensions = ["html_image"]
myst_heading_anchors = 4  # `page.md#a-heading`, as GitHub names it
# Templates in examples are neither HTML nor YAML, and are shown without colours.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = "Wharf"
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}

# The groups of the navigation. The last group has the pages that no group names.
GROUPS = {
    "Start": ("docs/README", "docs/tour"),
    "Use": (
        "docs/using-the-console",
        "docs/resumable",
        "docs/tickets",
        "docs/grants",
        "docs/serving",
        "docs/types",
        "docs/names",
        "docs/small-pictures",
        "docs/live",
        "docs/problems",
        "docs/how-to/README",
    ),
    "Run": (
        "docs/operating",
        "docs/settings",
        "docs/compose",
        "docs/containers",
        "docs/kubernetes",
        "docs/debian",
        "docs/object-stores",
        "docs/moving-blobs",
        "docs/backup",
        "docs/rolling-updates",
        "docs/scaling",
        "docs/people",
        "docs/periods",
        "docs/observing",
        "docs/metrics",
        "docs/logs-and-traces",
        "docs/runbooks/README",
    ),
    "Evaluate": (
        "docs/security",
        "SECURITY",
        "docs/reliability",
        "docs/benchmark",
        "docs/capacity",
        "docs/scale",
        "docs/load-tests",
        "docs/mutants",
        "docs/query-plans",
    ),
    "Develop": (
        "CONTRIBUTING",
        "docs/architecture",
        "docs/glossary",
        "docs/console",
        "docs/adr/README",
        "tests/README",
        "requirements/README",
    ),
    "More": (),
}
_LINK = re.compile(r"\[(?P<text>[^\]\[]+)\]\((?P<target>[^)#:\s]+)\)")
# The pages that are above all other pages of their folder in the navigation.
INDEXES = ("docs/adr/README", "docs/how-to/README", "docs/runbooks/README")


class App(Protocol):
    """The part of Sphinx's application that this file uses."""

    outdir: str

    def connect(self, event: str, handler: Callable[..., None]) -> int:
        """Call the handler at an event of the build."""
        ...


def pages(root: Path) -> list[str]:
    """Return the names of all pages, without their ending, in order."""
    found = {path for pattern in include_patterns for path in root.glob(pattern)}
    return sorted(str(path.relative_to(root).with_suffix("")) for path in found)


def navigation(page: str, known: list[str]) -> str:
    """Return the part of the navigation that is below a page, as directives of MyST."""
    if page == root_doc:
        folders = tuple(index.removesuffix("README") for index in INDEXES)
        tops = [one for one in known if one in INDEXES or not one.startswith(folders)]
        named = {one for group in GROUPS.values() for one in group}
        rest = tuple(one for one in tops if one not in named and one != root_doc)
        groups = {**GROUPS, "More": rest}
        return "".join(
            _toctree([one for one in group if one in tops], caption)
            for caption, group in groups.items()
            if any(one in tops for one in group)
        )
    if page in INDEXES:
        folder = page.removesuffix("README")
        return _toctree([one for one in known if one.startswith(folder) and one != page])
    return ""


def without_folders(text: str, page: Path) -> str:
    """Return the text with links to pages instead of folders: Sphinx has no page for a folder.

    A link to a folder becomes a link to its README.md, or bare text where the folder has none.
    """

    def replaced(link: re.Match[str]) -> str:
        folder = page.parent / link["target"]
        if not folder.is_dir():
            return link[0]
        if (folder / "README.md").exists():
            return f"[{link['text']}]({link['target'].rstrip('/')}/README.md)"
        return link["text"]

    return _LINK.sub(replaced, text)


def _toctree(names: list[str], caption: str = "") -> str:
    options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["", "```{toctree}", *options, *(f"/{name}" for name in names), "```", ""])


def _read(_: App, page: str, content: list[str]) -> None:
    text = without_folders(content[0], ROOT / f"{page}.md")
    content[0] = f"{text}\n{navigation(page, pages(ROOT))}"


def _make_index(app: App, failure: Exception | None) -> None:
    """Copy the front page to index.html after a build without an error.

    Servers, and people who open the folder, expect this name.
    """
    if failure is None:
        shutil.copyfile(Path(app.outdir, f"{root_doc}.html"), Path(app.outdir, "index.html"))


def setup(app: App) -> dict[str, bool]:
    """Register the two handlers; Sphinx calls this."""
    app.connect("source-read", _read)
    app.connect("build-finished", _make_index)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
