"""The maker of a small WebP picture from a file of a known format."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import IO

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from wharf_images.formats import MAX_PIXELS, PREFIX_BYTES, Format, NoPicture, format_of
from wharf_images.picturing import colours, pdf, shrinking

_QUALITY = 80
_OPENERS: dict[Format, Callable[[IO[bytes]], ImageFile.ImageFile]] = {
    Format.JPEG: JpegImagePlugin.JpegImageFile,
    Format.PNG: PngImagePlugin.PngImageFile,
    Format.GIF: GifImagePlugin.GifImageFile,
    Format.WEBP: WebPImagePlugin.WebPImageFile,
    Format.AVIF: AvifImagePlugin.AvifImageFile,
    Format.BMP: BmpImagePlugin.BmpImageFile,
}
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def load() -> None:
    """Import everything that a picture needs, because a confined process cannot open files."""
    warnings.simplefilter("ignore")
    # The sandbox refuses threads, so the decoder must not start any.
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    # The limits of each format are checked first. Pillow has only one limit for all formats, so set
    # it to the largest one.
    Image.MAX_IMAGE_PIXELS = max(MAX_PIXELS.values())
    # Pillow would import this module for the first EXIF data.
    import_module("PIL.TiffImagePlugin")
    Image.preinit()
    colours.load()
    pdf.load()
    # Make one picture, so encoders and modules that are loaded late are loaded now.
    _webp(Image.new("RGBA", (2, 2)))


def make(descriptor: int, width: int) -> bytes:
    """Return a picture of the file behind an open descriptor; see `picture_of`."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    # The file stays open, because the process ends when the picture is made.
    with open(descriptor, "rb", closefd=False) as file:
        return picture_of(file, width)


def picture_of(file: IO[bytes], width: int) -> bytes:
    """Return a WebP picture without metadata; its longest side is at most `width` pixels.

    Raises:
        NoPicture: the file has no picture.
    """
    try:
        return _webp(_picture(file, width))
    except NoPicture:
        raise
    except MemoryError:
        raise NoPicture("too-large", "out of memory") from None
    except Exception as error:  # decoders raise errors of any type for a broken file
        raise NoPicture("broken", f"{type(error).__name__}: {error}") from error


def _picture(file: IO[bytes], width: int) -> Image.Image:
    kind = format_of(file.read(PREFIX_BYTES))
    file.seek(0)
    if kind is None:
        raise NoPicture("unknown")
    if kind is Format.PDF:
        return pdf.first_page(file, width)
    image = _OPENERS[kind](file)
    columns, rows = image.size
    if columns < 1 or rows < 1:
        raise NoPicture("broken", "no pixels")
    if columns * rows > MAX_PIXELS[kind]:
        raise NoPicture("too-large", f"{columns} x {rows} pixels")
    return _small(image, width)


def _small(image: ImageFile.ImageFile, width: int) -> Image.Image:
    # Only the JPEG decoder supports `draft`: it reduces to a half, a quarter or an eighth.
    image.draft(None, shrinking.fitted(image.size, width * 3 // 2))
    image.load()
    profile, turn = image.info.get("icc_profile"), _orientation(image)
    small = colours.to_srgb(shrinking.shrink(image, width), profile)
    return small.transpose(_TURNS[turn]) if turn in _TURNS else small


def _orientation(image: ImageFile.ImageFile) -> int:
    # A file with broken EXIF data still gets a picture.
    with suppress(Exception):
        found = image.getexif().get(_ORIENTATION, 1)
        return found if isinstance(found, int) else 1
    return 1


def _webp(image: Image.Image) -> bytes:
    # A new image has only the pixels, without metadata such as comments and GPS positions.
    bare = Image.new(image.mode, image.size)
    bare.paste(image)
    buffer = io.BytesIO()
    bare.save(buffer, "WEBP", quality=_QUALITY)
    return buffer.getvalue()
