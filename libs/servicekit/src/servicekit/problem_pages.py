"""Problems as small HTML pages, for browsers that follow a link or submit a form without a script.

nginx renders its own problems in the same form (`deploy/nginx/conf.d/refusals.conf.template`). A
page has no style and no script, since the gateway's Content-Security-Policy forbids them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import Any, Final

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from servicekit import problems
from servicekit.problems import ProblemError

CONTENT_TYPE = "text/html; charset=utf-8"
_OFFERED: Final = (problems.CONTENT_TYPE, "application/json", "text/html")
# Java's HTTP client sends this by default, so it does not mean that a person wants a page.
_JAVA: Final = "text/html, image/gif, image/jpeg, *"
# Browsers send fields of up to a quarter of this length. Werkzeug's parser takes more than linear
# time.
_LONGEST_ACCEPT: Final = 1000
_BLANKS = re.compile(r"[ \t]+")
# An address that a page may contain. It has no ";", which could end an HTML entity.
_ADDRESS = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&()*+,=%\[\]-]{1,2000}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PAGE: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width"><title>{title}</title></head>'
    "<body><h1>{title}</h1><p>{detail}</p><p>{way_back}</p>"
    '<p>HTTP {status}. <a href="{type}">What this means</a>. '
    "Request id: <code>{request_id}</code></p></body></html>"
)


def are_wanted(accept: str | None) -> bool:
    """Tell whether an Accept field prefers HTML to JSON.

    HTML also wins if the field names HTML, and JSON matches only a wildcard of equal weight. If the
    field names both types with equal weight, JSON wins. Return false for a field of more than 1000
    characters, and for the default field of Java's client.
    """
    if not accept or len(accept) > _LONGEST_ACCEPT or "text/html" not in accept.lower():
        return False
    if accept.startswith(_JAVA):
        return False
    # Werkzeug takes quadratic time for a run of blanks.
    folded = _BLANKS.sub(" ", accept)
    return parse_accept_header(folded, MIMEAccept).best_match(_OFFERED) == "text/html"


def render(
    error: ProblemError, request_id: str, environ: Mapping[str, Any], address: str | None = None
) -> tuple[str, bytes]:
    """Return Content-Type and body of a problem, as JSON or as a page by the Accept field.

    `address` is the address that the page links to; the default is the page of the Referer field.
    """
    if not are_wanted(environ.get("HTTP_ACCEPT")):
        return problems.CONTENT_TYPE, error.body(request_id)
    return CONTENT_TYPE, page(error, request_id, address or environ.get("HTTP_REFERER")).encode()


def page(error: ProblemError, request_id: str, address: str | None) -> str:
    """Return the HTML page of a problem on one line, with a link back to `address`."""
    way_back = "Go back with your browser."
    if address is not None and _ADDRESS.fullmatch(address):
        way_back = f'<a href="{escape(address)}">Go back</a>'
    return _PAGE.format(
        title=escape(error.problem.title),
        detail=escape(_CONTROL.sub(" ", error.detail)),
        way_back=way_back,
        status=error.problem.status,
        type=error.problem.type,
        request_id=escape(request_id),
    )
