"""The site of `make site`: built without a warning, it loads nothing from another host."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from docs.site import conf
from tests.servers.needs import lacking

ROOT = Path(__file__).parents[3]
SPHINX = ROOT / ".venv/site/bin/sphinx-build"
# The attributes by which a page loads a file. A link that a person follows is not one of them.
_LOADS = {
    ("script", "src"),
    ("link", "href"),
    ("img", "src"),
    ("iframe", "src"),
    ("source", "srcset"),
    ("object", "data"),
}
_OTHER_HOST = re.compile(r"(?:[a-z]+:)?//")


class Loads(HTMLParser):
    """The addresses from which a page loads scripts, styles, fonts and pictures, and its links."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the addresses of an element."""
        for name, value in attrs:
            if (tag, name) in _LOADS and value:
                self.loads.append(value)
            if (tag, name) == ("a", "href") and value:
                self.links.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site once; a warning of Sphinx is an error."""
    if not SPHINX.exists():
        lacking("there is no Sphinx; run `make site` once")
    folder = tmp_path_factory.mktemp("site")
    command = [str(SPHINX), "--fail-on-warning", "--keep-going", "--quiet", "-c", "docs/site"]
    done = subprocess.run(
        [*command, "-d", str(folder / "cache"), ".", str(folder / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "site"


def _pages(site: Path) -> Iterator[tuple[Path, Loads]]:
    for path in sorted(site.rglob("*.html")):
        yield path, Loads(path)


def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    """A page and its styles load only files of the site, so the site works from a local folder."""
    loaded = {(path.name, one) for path, page in _pages(site) for one in page.loads}
    assert len(loaded) > len(conf.pages(ROOT))
    assert {one for one in loaded if _OTHER_HOST.match(one[1])} == set()
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        assert not re.search(r"(?:url\(\s*['\"]?|@import\s+['\"])(?:[a-z]+:)?//", text)


def test_links_lead_to_files_of_the_site(site: Path) -> None:
    """Each link without a host leads to a file that exists, relative to the page with the link."""
    lost = set()
    for path, page in _pages(site):
        for link in (*page.links, *page.loads):
            address = urlsplit(link)
            if address.scheme or address.netloc or not address.path:
                continue
            if not (path.parent / unquote(address.path)).is_file():
                lost.add((path.name, link))
    assert lost == set()


def test_every_page_is_in_the_navigation_and_the_search(site: Path) -> None:
    """The front page, which is also the folder's index, and the search lead to each page."""
    front = (site / "index.html").read_text(encoding="utf-8")
    assert front == (site / "README.html").read_text(encoding="utf-8")
    linked = {urlsplit(link).path for link in Loads(site / "index.html").links}
    for page in conf.pages(ROOT):
        assert page == "README" or f"{page}.html" in linked, page
    text = (site / "searchindex.js").read_text(encoding="utf-8")
    found = json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))
    assert set(found["docnames"]) == set(conf.pages(ROOT))
