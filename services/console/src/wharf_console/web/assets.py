"""The addresses of scripts and styles, which contain a digest of the content."""

from __future__ import annotations

import json
from pathlib import Path

STATIC = "/console/static/"
DIST = Path(__file__).parents[1] / "static" / "dist"


class Assets:
    """The files in the build's `manifest.json`; without a build the list is empty."""

    def __init__(self, dist: Path = DIST) -> None:
        self._manifest = dist / "manifest.json"
        self._read_at = 0.0
        self._names: dict[str, str] = {}

    def url(self, name: str) -> str:
        """Return the address of a file such as `console.css`; empty if it does not exist."""
        self._read()
        file = self._names.get(name)
        return f"{STATIC}{file}" if file else ""

    def _read(self) -> None:
        """Read the manifest if it has changed, so that a build needs no restart."""
        try:
            changed = self._manifest.stat().st_mtime
            if changed != self._read_at:
                self._names = json.loads(self._manifest.read_text(encoding="utf-8"))
                self._read_at = changed
        except (OSError, ValueError):
            self._names, self._read_at = {}, 0.0
