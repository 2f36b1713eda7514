"""The conversion from a file's colour profile to sRGB, which browsers assume by default."""

from __future__ import annotations

import io
from contextlib import suppress

from PIL import Image, ImageCms

_MODES = {"GRAY": "L", "RGB ": "RGB", "CMYK": "CMYK"}
_MAX_PROFILE_BYTES = 4 * 1024 * 1024
_srgb: list[ImageCms.ImageCmsProfile] = []


def load() -> None:
    """Create the sRGB profile, once for all pictures."""
    _srgb[:] = [ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))]


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return the image as sRGB, in a mode that WebP supports; a broken profile is ignored.

    Args:
        image: in one of the modes of `shrinking.shrink`.
        profile: the ICC profile of the file.
    """
    alpha = image.getchannel("A") if "A" in image.mode else None
    bare = image.convert(image.mode.removesuffix("A")) if alpha else image
    if isinstance(profile, bytes) and len(profile) <= _MAX_PROFILE_BYTES:
        with suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            bare = _transformed(bare, profile)
    result = bare if bare.mode in {"L", "RGB"} else bare.convert("RGB")
    if alpha:
        result = result.convert("RGB")
        result.putalpha(alpha)
    return result


def _transformed(image: Image.Image, profile: bytes) -> Image.Image:
    own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    mode = _MODES.get(own.profile.xcolor_space)
    if mode == "RGB" and image.mode == "L":
        image = image.convert("RGB")
    if mode != image.mode:
        return image
    done = ImageCms.profileToProfile(image, own, _srgb[0], outputMode="RGB")
    return image if done is None else done
