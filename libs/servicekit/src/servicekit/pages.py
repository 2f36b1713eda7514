"""The limit for pages of lists."""

from __future__ import annotations

PAGE_BYTES = 1 << 20
"""The approximate maximum size of a page, in bytes of JSON.

If a client does not read a response, nginx keeps the whole response in memory (ADR 61). Most pages
are much smaller.
"""
