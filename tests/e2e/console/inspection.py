"""Checks that every page must pass in every look."""

from __future__ import annotations

import base64
import functools
import json
import re
from typing import Any

from tests.servers.browser import AXE
from tests.servers.pages.stage import Stage
from wharf_console.sessions import records

#: The size of a page without its pictures, compressed, in bytes.
BUDGET = 120_000
_RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
# axe reports an element's HTML; its selector would take long to compute.
_AXE = (
    "const how = {runOnly: args[0], resultTypes: ['violations'], selectors: false};"
    "const {violations} = await axe.run(document, how);"
    "return violations.map(({id, nodes}) => [id, nodes.map(({html}) => html.slice(0, 300))])"
)
_KEPT = """
const kept = [JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie];
for (const {name, version} of await indexedDB.databases()) {
  const database = await new Promise((done, fail) => {
    const asked = indexedDB.open(name, version);
    [asked.onsuccess, asked.onerror] = [() => done(asked.result), () => fail(asked.error)];
  });
  for (const store of database.objectStoreNames) {
    const found = await new Promise((done) => {
      const asked = database.transaction(store).objectStore(store).getAll();
      asked.onsuccess = () => done(asked.result);
    });
    kept.push(JSON.stringify(found));
  }
  database.close();
}
return kept.join("\\n")
"""
_WEIGHT = (
    "const parts = ['navigation', 'resource'].flatMap(kind => performance.getEntriesByType(kind));"
    "return parts.filter(part => !['img', 'fetch'].includes(part.initiatorType))"
    ".map(part => [part.name, part.encodedBodySize])"
)
# Parts that the page loads later, when it shows new data.
_LATER = re.compile(r"/console/static/(?:channel|idiomorph)[^/]*\.js$")
# Browsers report this for any page by plain HTTP from another machine.
_BY_HTTP = "The Cross-Origin-Opener-Policy header has been ignored"
# The page shows a substitute for a file without a small picture.
_NO_PICTURE = re.compile(r"/s/[\w-]+\?w=\d+ - .* status of 404 ")
_TOKEN = re.compile(r"eyJ[\w-]+\.(eyJ[\w-]+)\.[\w-]+")


@functools.cache
def _axe() -> str:
    return AXE.read_text(encoding="utf-8")


def violations(stage: Stage) -> Any:
    """Return the violations that axe finds on the current page, as rules and elements."""
    stage.browser.execute_script(_axe())
    return stage.browser.run(_AXE, _RULES)


def overflow(stage: Stage) -> int:
    """Return by how many pixels the page scrolls sideways."""
    script = "const {scrollWidth, clientWidth} = document.documentElement;"
    return int(stage.browser.execute_script(script + "return scrollWidth - clientWidth"))


def complaints(stage: Stage) -> list[str]:
    """Return the errors of policies, scripts and requests in the browser's console.

    The page's own status and missing small pictures are left out.
    """
    address = stage.browser.current_url.partition("?")[0]
    log: list[dict[str, Any]] = stage.browser.get_log("browser")  # type: ignore[no-untyped-call]
    return [
        entry["message"]
        for entry in log
        if entry["level"] == "SEVERE"
        and _BY_HTTP not in entry["message"]
        and not _NO_PICTURE.search(entry["message"])
        and not (entry["source"] == "network" and entry["message"].startswith(address))
    ]


def secrets(stage: Stage) -> list[str]:
    """Return tokens of people in the page or in the browser's storage; tickets are allowed.

    The function searches for each token in the console's records, and for any other text that looks
    like a token.
    """
    seen = f"{stage.browser.page_source}\n{stage.browser.run(_KEPT)}"
    folder = stage.wharf.data / "console/tokens"
    known = (records.decoded(path.read_bytes()) for path in folder.iterdir() if path.is_file())
    tokens = {token for one in known if one for token in (one.access_token, one.refresh_token)}
    wide = [claims for claims in map(_claims, _TOKEN.findall(seen)) if "ticket" not in claims]
    return [token[:12] for token in tokens if token in seen] + [str(claims) for claims in wide]


def _claims(part: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def weight(stage: Stage) -> int:
    """Return the compressed bytes of the page and of the parts that it loads first.

    Pictures, and parts that scripts fetch, do not count.
    """
    parts: list[tuple[str, int]] = stage.browser.execute_script(_WEIGHT)
    return sum(size for name, size in parts if not _LATER.search(name))


def ran(stage: Stage) -> object:
    """Return the value that a script planted in a name would have set, or None."""
    return stage.browser.execute_script("return window.ran ?? null")


def reports(stage: Stage) -> list[dict[str, Any]]:
    """Return the reports of broken policies that the console has received so far."""
    lines = stage.wharf.log_lines("console")
    return [line for line in lines if line.get("message") == "a page broke its policy"]
