"""Makes an image smaller with little memory, whatever its mode is."""

from __future__ import annotations

from PIL import Image

# Down to so many times the wanted size by averages of whole blocks, which is fast; then finely.
_GAP = 2
_BAND_PIXELS = 4_000_000
_TRANSPARENT = frozenset(("LA", "La", "PA", "RGBA"))


def shrink(image: Image.Image, width: int) -> Image.Image:
    """Return a copy whose longest side is `width` at most, never enlarged, in a simple mode.

    The mode is one of `L`, `LA`, `RGB`, `RGBA` and `CMYK`. Colours of transparent pixels do not
    show: alpha is multiplied in first.
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
    """Return the size in which the longest side is `width` at most; never a larger one."""
    longest = max(size)
    if longest <= width:
        return size
    columns, rows = (max(1, round(side * width / longest)) for side in size)
    return columns, rows


def _reduced(image: Image.Image, factor: int) -> Image.Image:
    """Go by bands: a copy of all of it in another mode may be the memory there is."""
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
        raise ValueError("an image without rows")
    return result


def _plain(image: Image.Image) -> Image.Image:
    """Return the image in a mode that can be averaged: 8 bits, no palette, alpha multiplied in."""
    mode = image.mode
    if mode == "I" or mode.startswith("I;16"):
        # 16 bits of grey, in 16 or in 32.
        return image.convert("I").point(lambda value: value / 257).convert("L")
    if mode in _TRANSPARENT or "transparency" in image.info:
        return image.convert("RGBA").convert("RGBa")
    if mode in {"1", "F"}:
        return image.convert("L")
    return image if mode in {"L", "RGB", "CMYK"} else image.convert("RGB")
