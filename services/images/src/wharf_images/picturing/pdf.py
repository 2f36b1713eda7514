"""The first page of a PDF, where the extra `pdf` is installed (pypdfium2)."""

from __future__ import annotations

from types import ModuleType
from typing import IO

from PIL import Image

from wharf_images.formats import NoPicture

_found: list[ModuleType] = []


def load() -> None:
    """Load PDFium if it is there."""
    try:
        import pypdfium2
    except ImportError:
        return
    _found[:] = [pypdfium2]


def first_page(file: IO[bytes], width: int) -> Image.Image:
    """Return the first page on white, its longest side `width`.

    Raises:
        NoPicture: the extra is not installed, or the file is broken.
    """
    if not _found:
        raise NoPicture("unknown", "the extra pdf is not installed")
    # PDFium could read piece by piece, but calls back for it, and libffi makes code for callbacks.
    page = _found[0].PdfDocument(file.read())[0]
    longest = max(page.get_size())
    if longest <= 0:
        raise NoPicture("broken", "an empty page")
    image: Image.Image = page.render(scale=width / longest, may_draw_forms=False).to_pil()
    return image.convert("RGB")
