"""Small pictures of each format have the file's image and no other data of the file."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image, ImageCms, PngImagePlugin

from tests.servers.image_files import encoded
from wharf_images.formats import NoPicture, is_webp
from wharf_images.picturing.pictures import picture_of

RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 40), (30, 40, 210), (250, 250, 250)
CORNERS = (RED, GREEN, BLUE, WHITE)
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def quarters(size: tuple[int, int] = (400, 200), mode: str = "RGB") -> Image.Image:
    """Return an image with one colour in each quarter."""
    image = Image.new("RGB", size)
    columns, rows = size[0] // 2, size[1] // 2
    for place, colour in enumerate(CORNERS):
        left, top = columns * (place % 2), rows * (place // 2)
        image.paste(colour, (left, top, left + columns, top + rows))
    return image.convert(mode)


def made(content: bytes, width: int = 64) -> Image.Image:
    """Return the decoded small picture of a file."""
    picture = picture_of(io.BytesIO(content), width)
    assert is_webp(picture)
    return Image.open(io.BytesIO(picture))


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    """Return the colours in the middle of each quarter."""
    plain = image.convert("RGB")
    columns, rows = plain.size
    places = [(x * columns // 4, y * rows // 4) for y in (1, 3) for x in (1, 3)]
    return [plain.getpixel(place) for place in places]  # type: ignore[misc]


def close(found: list[tuple[int, ...]], wanted: tuple[tuple[int, ...], ...], far: int) -> bool:
    """Tell whether each channel of each colour differs by at most `far`."""
    pairs = zip(found, wanted, strict=True)
    return all(abs(a - b) <= far for one, two in pairs for a, b in zip(one, two, strict=True))


FORMATS: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: encoded(quarters(), "JPEG", quality=90),
    "jpeg, progressive": lambda: encoded(quarters(), "JPEG", quality=90, progressive=True),
    "jpeg, large": lambda: encoded(quarters((4000, 2000)), "JPEG", quality=90),
    "jpeg, cmyk": lambda: encoded(quarters(mode="CMYK"), "JPEG", quality=95),
    "png": lambda: encoded(quarters(), "PNG"),
    "png, palette": lambda: encoded(quarters().quantize(8), "PNG"),
    "png, large": lambda: encoded(quarters((3200, 1600)), "PNG", compress_level=1),
    "gif": lambda: encoded(quarters(), "GIF"),
    "gif, animated": lambda: encoded(
        quarters(), "GIF", save_all=True, append_images=[Image.new("RGB", (400, 200))]
    ),
    "webp": lambda: encoded(quarters(), "WEBP", quality=90),
    "webp, lossless": lambda: encoded(quarters(), "WEBP", lossless=True),
    "avif": lambda: encoded(quarters(), "AVIF", quality=90, speed=10),
    "bmp": lambda: encoded(quarters(), "BMP"),
    "bmp, palette": lambda: encoded(quarters().quantize(8), "BMP"),
    "pdf": lambda: encoded(quarters(), "PDF", quality=95),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_picture_shows_what_the_file_shows(name: str) -> None:
    """A small picture is WebP with the requested size and the file's colours at the same places."""
    picture = made(FORMATS[name]())
    assert (picture.format, picture.size) == ("WEBP", (64, 32))
    assert close(corners(picture), CORNERS, 40)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_it_stands_upright(kind: str, turn: int) -> None:
    """A small picture is turned upright by each of the eight EXIF orientations."""
    image = quarters()
    stored = image.transpose(TURNS[turn]) if turn in TURNS else image
    exif = Image.Exif()
    exif[0x0112] = turn
    picture = made(encoded(stored, kind, exif=exif, quality=90))
    assert picture.size == (64, 32)
    assert close(corners(picture), CORNERS, 40)


@pytest.mark.parametrize("width", [64, 256, 1024])
def test_it_is_never_enlarged(width: int) -> None:
    """A small picture is neither larger than requested nor larger than the file's picture."""
    assert max(made(encoded(quarters((20, 50)), "PNG"), width).size) == 50
    assert made(encoded(quarters((2200, 1100)), "JPEG"), width).size == (width, width // 2)
    assert made(encoded(quarters((3000, 2)), "PNG"), width).size == (width, 1)


@pytest.mark.parametrize("value", [0, 0x4000, 0x80FF, 0xFFFF])
def test_16_bits_of_grey_become_8(value: int) -> None:
    """Grey values of 16 bits are scaled to 8 bits."""
    image = Image.new("I;16", (100, 100), value)
    found = made(encoded(image, "PNG")).convert("L").getpixel((30, 30))
    assert isinstance(found, int | float)
    assert abs(found - value / 257) <= 3


@pytest.mark.parametrize(
    ("mode", "value", "alpha"),
    [("RGBA", (200, 0, 0, 0), 0), ("RGBA", (200, 0, 0, 128), 128), ("LA", (200, 255), 255)],
)
def test_transparency_is_kept(mode: str, value: Any, alpha: int) -> None:
    """A small picture keeps the transparency of the file."""
    picture = made(encoded(Image.new(mode, (500, 500), value), "PNG")).convert("RGBA")
    found = picture.getpixel((30, 30))
    assert isinstance(found, tuple)
    assert abs(found[3] - alpha) <= 2


def test_colours_that_do_not_show_do_not_bleed() -> None:
    """Colours of transparent pixels do not mix into the edges of visible pixels."""
    image = Image.new("RGBA", (640, 640), (0, 255, 0, 0))
    image.paste((255, 0, 0, 255), (205, 205, 435, 435))
    picture = made(encoded(image, "PNG")).convert("RGBA")
    shown = [picture.getpixel((x, y)) for x in range(64) for y in range(64)]
    assert all(one[1] < 60 for one in shown if isinstance(one, tuple) and one[3] > 40)


@pytest.mark.parametrize("mode", ["P", "RGB", "L"])
def test_one_colour_may_be_the_transparent_one(mode: str) -> None:
    """A single transparent colour stays transparent, even without an alpha channel."""
    image = Image.new(mode, (300, 300), 0)
    key: Any = (0, 0, 0) if mode == "RGB" else 0
    picture = made(encoded(image, "PNG", transparency=key))
    assert picture.convert("RGBA").getpixel((30, 30))[3] == 0  # type: ignore[index]


def test_colours_become_srgb() -> None:
    """A colour profile is applied to the colours, and the small picture contains no profile."""
    swapped = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = swapped.find(b"rXYZ"), swapped.find(b"bXYZ")
    swapped[red : red + 4], swapped[blue : blue + 4] = b"bXYZ", b"rXYZ"
    image = Image.new("RGB", (100, 100), (255, 0, 0))
    picture = made(encoded(image, "PNG", icc_profile=bytes(swapped)))
    assert close([picture.convert("RGB").getpixel((30, 30))], ((0, 0, 255),), 30)  # type: ignore[list-item]
    assert "icc_profile" not in picture.info


def test_a_broken_profile_counts_for_none() -> None:
    """A broken colour profile is ignored."""
    assert close(corners(made(encoded(quarters(), "PNG", icc_profile=b"x" * 200))), CORNERS, 40)


@pytest.mark.parametrize("size", [(400, 200), (40, 20)])
def test_nothing_else_of_the_file_is_in_it(size: tuple[int, int]) -> None:
    """A small picture contains no EXIF, comment or text of the file, even in the file's size."""
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "a secret place")
    image = quarters(size)
    for content in (
        encoded(image, "JPEG", exif=exif, comment=b"a secret place"),
        encoded(image, "PNG", exif=exif, pnginfo=text),
        encoded(image, "WEBP", exif=exif, xmp=b"a secret place"),
    ):
        picture = picture_of(io.BytesIO(content), 64)
        assert b"secret" in content
        assert b"secret" not in picture
        assert b"EXIF" not in picture


def bomb(kind: str, columns: int, rows: int) -> bytes:
    """Return a small file whose header claims a large picture."""
    content = bytearray(encoded(Image.new("RGB", (8, 8)), kind))
    if kind == "GIF":
        content[6:10] = columns.to_bytes(2, "little") + rows.to_bytes(2, "little")
    elif kind == "BMP":
        content[18:26] = columns.to_bytes(4, "little") + rows.to_bytes(4, "little")
    elif kind == "JPEG":
        place = content.index(b"\xff\xc0") + 5
        content[place : place + 4] = rows.to_bytes(2) + columns.to_bytes(2)
    else:
        content[16:24] = columns.to_bytes(4) + rows.to_bytes(4)
        content[29:33] = zlib.crc32(content[12:29]).to_bytes(4)
    return bytes(content)


@pytest.mark.parametrize(
    ("kind", "columns", "rows"),
    [
        ("PNG", 50_000, 50_000),
        ("PNG", 100_000_001, 1),
        ("GIF", 65_535, 65_535),
        ("JPEG", 65_000, 65_000),
        ("BMP", 50_000, 50_000),
    ],
)
def test_a_bomb_is_refused_by_its_header(kind: str, columns: int, rows: int) -> None:
    """A picture that is too large is refused by its header, before it is decoded."""
    with pytest.raises(NoPicture) as refused:
        picture_of(io.BytesIO(bomb(kind, columns, rows)), 64)
    assert refused.value.reason == "too-large"


@pytest.mark.parametrize("name", [name for name in FORMATS if "large" not in name])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_file_that_was_cut_off_is_broken_or_shown(name: str, share: float) -> None:
    """A truncated file gives a small picture, or is refused as broken or unknown."""
    content = FORMATS[name]()
    outcome = "made"
    try:
        made(content[: max(1, int(len(content) * share))])
    except NoPicture as none:
        outcome = none.reason
    assert outcome in {"made", "broken", "unknown"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<html><script>alert(1)</script>",
        b"PK\x03\x04" + bytes(100),
        b"MZ" + bytes(100),
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"II*\0" + bytes(100),
        b"8BPS" + bytes(100),
        b"\0\0\0\x18ftypmp42" + bytes(100),
        b"P6 1 1 255 abc",
        b"BM is how this text begins, and it is no picture",
    ],
)
def test_what_is_in_no_list_has_no_picture(content: bytes) -> None:
    """An unlisted format, for instance SVG, an archive, TIFF or a film, is refused as unknown."""
    with pytest.raises(NoPicture) as refused:
        picture_of(io.BytesIO(content), 64)
    assert refused.value.reason == "unknown"


@pytest.mark.parametrize("name", ["jpeg", "png", "gif", "webp"])
def test_a_polyglot_is_what_it_begins_with(name: str) -> None:
    """A file that is valid in two formats is read in the first; the second adds no data."""
    script = b"<script>alert(1)</script>PK\x05\x06"
    picture = picture_of(io.BytesIO(FORMATS[name]() + script), 64)
    assert is_webp(picture)
    assert b"script" not in picture
