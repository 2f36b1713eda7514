"""HTML, XHTML, SVG and XML, after the WHATWG MIME Sniffing standard, section 7.1.

There is no XML parser here, so no entities are expanded and nothing is fetched.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

# Section 7.1: what makes HTML of a resource that begins with it, after white space.
_HTML_START = re.compile(
    rb"<(?:!doctype[ \t\n\f\r]+html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body"
    rb"|br|p)[ \t\n\f\r/>]|<!--",
    re.IGNORECASE,
)
_SPACE: Final = b"\t\n\f\r "
# White space, comments, processing instructions and a document type: what may stand before a root
# element. Possessive: an unclosed comment costs one pass.
_PROLOG = re.compile(
    rb"(?:[ \t\r\n]++|<!--.*?-->|<\?.*?\?>|<!DOCTYPE[^>\[]*+(?:>|\[.*?\]\s*+>))*+", re.DOTALL
)
# Or a document type that the head does not hold to its end.
_SVG_ROOT = re.compile(
    rb"<(?:!DOCTYPE[ \t\r\n]{1,64})?(?:[A-Za-z_][\w.-]{0,63}:)?svg[ \t\r\n/>\[]", re.IGNORECASE
)
_XHTML_ROOT = re.compile(rb"<(?:[A-Za-z_][\w.-]{0,63}:)?html[ \t\r\n/>]")
# A whole start tag of XML.
_NAME: Final = rb"[A-Za-z_\x80-\xff][\w.:\x80-\xff-]*+"
_ATTRIBUTE: Final = rb"[ \t\r\n]++%b[ \t\r\n]*+=[ \t\r\n]*+(?:\"[^<\"]*+\"|'[^<']*+')" % _NAME
_XML_ROOT = re.compile(rb"<%b(?:%b)*+[ \t\r\n]*+/?>" % (_NAME, _ATTRIBUTE))
_XHTML_NAMESPACE = re.compile(
    rb"xmlns[ \t\r\n]*=[ \t\r\n]*[\"']http://www\.w3\.org/1999/xhtml[\"']"
)
_HTML_DOCTYPE = re.compile(rb"<!doctype[ \t\n\f\r]+html", re.IGNORECASE)


def markup_type(head: bytes) -> str | None:
    """Return the type of HTML, XHTML, SVG or XML; None when `head` begins like none of them."""
    start = len(head) - len(head.lstrip(_SPACE))
    if head[start : start + 1] != b"<":
        return None
    prolog = _PROLOG.match(head, start)
    root = start if prolog is None else prolog.end()
    if _SVG_ROOT.match(head, root):
        return "image/svg+xml"
    declared = head[start : start + 5].lower() == b"<?xml"
    if declared:
        return "application/xhtml+xml" if _XHTML_ROOT.match(head, root) else "application/xml"
    if _HTML_START.match(head, start) or _HTML_START.match(head, root):
        return "text/html"
    # Any other document type: its root may lie behind the head, so it is not called plain text.
    return "application/xml" if head[start : start + 9].upper() == b"<!DOCTYPE" else None


def undeclared_type(head: bytes) -> str | None:
    """Return the type of XML or XHTML that has no XML declaration, which both may do without.

    None for other bytes; SVG and what else browsers take for HTML is none of them.
    """
    head = head.removeprefix(codecs.BOM_UTF8)
    prolog = _PROLOG.match(head)
    root = 0 if prolog is None else prolog.end()
    tag = _XML_ROOT.match(head, root)
    if tag is None or _SVG_ROOT.match(head, root):
        return None
    if _XHTML_ROOT.match(head, root):
        return "application/xhtml+xml" if _XHTML_NAMESPACE.search(tag.group()) else None
    page = _HTML_START.match(head, root) or _HTML_DOCTYPE.search(head, 0, root)
    return None if page else "application/xml"
