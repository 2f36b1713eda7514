"""QR codes as pictures in the page (SVG), for addresses to open on a phone."""

from __future__ import annotations

import segno
from markupsafe import Markup

_BORDER_MODULES = 4
# From this version on (65 modules) the usual size of the picture is too small for cameras.
_DENSE_VERSION = 12


def svg(text: str, title: str) -> Markup:
    """Return the QR code of a text; the title describes it to screen readers.

    A ticket is long, and a code with fewer modules is easier to scan. segno increases the error
    correction if that needs no more modules. The result is empty if the text is too long.
    """
    try:
        code = segno.make(text, error="l", micro=False)
    except segno.DataOverflowError:
        return Markup()
    drawn = code.svg_inline(
        border=_BORDER_MODULES,
        title=title,
        svgclass="qr dense" if int(code.version) >= _DENSE_VERSION else "qr",
        lineclass=None,
        light="#fff",
        omitsize=True,
    )
    return Markup(drawn)  # noqa: S704 -- segno escapes the title
