"""Receives browsers' reports of violations of the pages' policy (CSP).

A violation is an error of the console, or an attack.
"""

from __future__ import annotations

import logging
import re
from typing import Any
from urllib.parse import urlsplit

import msgspec
from flask import Blueprint, request
from flask_wtf import CSRFProtect

from wharf_console.metrics import CSP_REPORTS
from wharf_console.web.access import open_to_all
from wharf_console.web.headers import REPORTS

log = logging.getLogger(__name__)
_MAX_BYTES = 16 * 1024
# Paths that contain a credential: a guest's page, an upload, a link.
_SECRET = re.compile(r"(/(?:console/drop|u|s)/)[^/]+", re.IGNORECASE)


def blueprint(csrf: CSRFProtect) -> Blueprint:
    """Return the blueprint with the route; it needs no CSRF token, which reports do not have."""
    routes = Blueprint("csp_reports", __name__)
    csrf.exempt(routes)

    @routes.post(REPORTS)
    @open_to_all("browsers also send reports about pages without a login")
    def report() -> tuple[str, int]:
        request.max_content_length = _MAX_BYTES
        CSP_REPORTS.inc()
        log.warning("a page broke its policy", extra={"fields": _shown(request.get_data())})
        return "", 204

    return routes


def _shown(content: bytes) -> dict[str, str]:
    """Return the parts of a report for the log; omit queries, which may contain a token."""
    try:
        document: Any = msgspec.json.decode(content)
    except msgspec.DecodeError:
        document = {}
    found = document.get("csp-report", {}) if isinstance(document, dict) else {}
    if not isinstance(found, dict):
        return {}
    page, blocked = (_masked(str(found.get(name, ""))) for name in ("document-uri", "blocked-uri"))
    directive = str(found.get("effective-directive", found.get("violated-directive", "")))[:64]
    return {"page": page, "blocked": blocked, "directive": directive}


def _masked(address: str) -> str:
    try:
        shown = urlsplit(address)._replace(query="", fragment="").geturl()
    except ValueError:
        return ""
    return _SECRET.sub(r"\1(masked)", shown)[:200]
