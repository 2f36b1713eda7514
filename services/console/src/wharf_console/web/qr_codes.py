"""QR codes as pictures in the page (SVG): for addresses that a phone shall open."""

from __future__ import annotations

import segno
from markupsafe import Markup

_BORDER_MODULES = 4


def svg(text: str, title: str) -> Markup:
    """Return the picture of a text; the title is what it is for those who do not see it."""
    code = segno.make(text, error="m", micro=False)
    drawn = code.svg_inline(
        border=_BORDER_MODULES,
        title=title,
        svgclass="qr",
        lineclass=None,
        light="#fff",
        omitsize=True,
    )
    return Markup(drawn)  # noqa: S704 -- segno escapes the title
