"""Pictures of a PDF's first page, if the extra `pdf` is installed (pypdfium2)."""

from __future__ import annotations

from types import ModuleType
from typing import IO

from PIL import Image

from wharf_images.formats import NoPicture

_found: list[ModuleType] = []


def load() -> None:
    """Load PDFium if it is installed."""
    try:
        import pypdfium2
    except ImportError:
        return
    _found[:] = [pypdfium2]


def first_page(file: IO[bytes], width: int) -> Image.Image:
    """Return the first page on a white background; its longest side is `width` pixels.

    Raises:
        NoPicture: the extra is not installed, or the first page has no size.
        pypdfium2.PdfiumError: the file is broken.
    """
    if not _found:
        raise NoPicture("unknown", "the extra pdf is not installed")
    # Read the whole file. To read in pieces, PDFium calls back, and libffi would need executable
    # memory for the callbacks, which the sandbox refuses.
    page = _found[0].PdfDocument(file.read())[0]
    longest = max(page.get_size())
    if longest <= 0:
        raise NoPicture("broken", "the first page is empty")
    image: Image.Image = page.render(scale=width / longest, may_draw_forms=False).to_pil()
    return image.convert("RGB")
