"""Functions that reduce an image of any mode with little memory."""

from __future__ import annotations

from PIL import Image

# The fast step averages whole blocks, down to this multiple of the wanted size. A finer and slower
# step does the rest.
_GAP = 2
_BAND_PIXELS = 4_000_000
_TRANSPARENT = frozenset(("LA", "La", "PA", "RGBA"))


def shrink(image: Image.Image, width: int) -> Image.Image:
    """Return a copy with a longest side of at most `width` pixels; the image is never enlarged.

    The mode of the copy is `L`, `LA`, `RGB`, `RGBA` or `CMYK`. The colours are multiplied by alpha
    before the reduction, so the colours of transparent pixels do not become visible.
    """
    factor = max(1, max(image.size) // (width * _GAP))
    small = _reduced(image, factor)
    size = fitted(image.size, width)
    if small.size != size:
        small = small.resize(size, Image.Resampling.LANCZOS)
    if small.mode in {"La", "RGBa"}:
        return small.convert(small.mode.upper())
    return small


def fitted(size: tuple[int, int], width: int) -> tuple[int, int]:
    """Return the size scaled so that its longest side is at most `width`; never enlarge it."""
    longest = max(size)
    if longest <= width:
        return size
    columns, rows = (max(1, round(side * width / longest)) for side in size)
    return columns, rows


def _reduced(image: Image.Image, factor: int) -> Image.Image:
    """Return the image reduced by a factor.

    The function converts a large image in horizontal bands, because a full copy in another mode may
    exceed the memory.
    """
    columns, rows = image.size
    if factor == 1 and columns * rows <= _BAND_PIXELS:
        return _plain(image)
    step = max(1, _BAND_PIXELS // columns // factor) * factor
    result: Image.Image | None = None
    for top in range(0, rows, step):
        band = _plain(image.crop((0, top, columns, min(rows, top + step))))
        band = band.reduce(factor) if factor > 1 else band
        if result is None:
            result = Image.new(band.mode, (band.width, -(-rows // factor)))
        result.paste(band, (0, top // factor))
    if result is None:
        raise ValueError("the image has no rows")
    return result


def _plain(image: Image.Image) -> Image.Image:
    """Return the image in a mode that can be averaged: 8 bits, no palette, premultiplied alpha."""
    mode = image.mode
    if mode == "I" or mode.startswith("I;16"):
        # Grey values of 16 bits, stored in 16 or 32 bits.
        return image.convert("I").point(lambda value: value / 257).convert("L")
    if mode in _TRANSPARENT or "transparency" in image.info:
        return image.convert("RGBA").convert("RGBa")
    if mode in {"1", "F"}:
        return image.convert("L")
    return image if mode in {"L", "RGB", "CMYK"} else image.convert("RGB")
