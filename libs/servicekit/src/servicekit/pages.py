"""How long a page of a list may be."""

from __future__ import annotations

PAGE_BYTES = 1 << 20
"""About how many bytes of JSON a page has at most.

nginx holds all of an answer that its client does not read (ADR 61). Most pages are far below this.
"""
