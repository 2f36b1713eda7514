"""QR codes as pictures in the page (SVG): for addresses that a phone shall open."""

from __future__ import annotations

import segno
from markupsafe import Markup

_BORDER_MODULES = 4
# From this version on (65 modules) a picture of the usual size is too fine for cameras.
_DENSE_VERSION = 12


def svg(text: str, title: str) -> Markup:
    """Return the picture of a text; the title is what it is for those who do not see it.

    A ticket is long: the fewer modules, the easier it is to read off a screen. segno raises the
    level of error correction where that costs no modules. What no code can hold has no picture.
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
