"""Detection of HTML, XHTML, SVG and XML by the WHATWG MIME Sniffing standard, section 7.1.

The module uses no XML parser, so it expands no entities and fetches nothing.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

# Section 7.1: a resource is HTML if one of these follows the leading white space.
_HTML_START = re.compile(
    rb"<(?:!doctype[ \t\n\f\r]+html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body"
    rb"|br|p)[ \t\n\f\r/>]|<!--",
    re.IGNORECASE,
)
_SPACE: Final = b"\t\n\f\r "
# White space, comments, processing instructions and a document type may precede a root element.
# The quantifiers are possessive, so an unclosed comment costs only one pass.
_PROLOG = re.compile(
    rb"(?:[ \t\r\n]++|<!--.*?-->|<\?.*?\?>|<!DOCTYPE[^>\[]*+(?:>|\[.*?\]\s*+>))*+", re.DOTALL
)
# The root element of SVG, or a document type of SVG that is cut at the end of the head.
_SVG_ROOT = re.compile(
    rb"<(?:!DOCTYPE[ \t\r\n]{1,64})?(?:[A-Za-z_][\w.-]{0,63}:)?svg[ \t\r\n/>\[]", re.IGNORECASE
)
_XHTML_ROOT = re.compile(rb"<(?:[A-Za-z_][\w.-]{0,63}:)?html[ \t\r\n/>]")
# A complete XML start tag.
_NAME: Final = rb"[A-Za-z_\x80-\xff][\w.:\x80-\xff-]*+"
_ATTRIBUTE: Final = rb"[ \t\r\n]++%b[ \t\r\n]*+=[ \t\r\n]*+(?:\"[^<\"]*+\"|'[^<']*+')" % _NAME
_XML_ROOT = re.compile(rb"<%b(?:%b)*+[ \t\r\n]*+/?>" % (_NAME, _ATTRIBUTE))
_XHTML_NAMESPACE = re.compile(
    rb"xmlns[ \t\r\n]*=[ \t\r\n]*[\"']http://www\.w3\.org/1999/xhtml[\"']"
)
_HTML_DOCTYPE = re.compile(rb"<!doctype[ \t\n\f\r]+html", re.IGNORECASE)


def markup_type(head: bytes) -> str | None:
    """Return the type of HTML, XHTML, SVG or XML, or None if `head` begins like none of these."""
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
    # Another document type: the root may be after the head, so the file is not plain text.
    return "application/xml" if head[start : start + 9].upper() == b"<!DOCTYPE" else None


def undeclared_type(head: bytes) -> str | None:
    """Return the type of XML or XHTML without an XML declaration, which is optional in both.

    Return None for other bytes, for SVG, and for bytes that browsers take for HTML.
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
