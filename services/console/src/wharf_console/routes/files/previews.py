"""The files that a page may show: only files of types that no browser executes.

The upload service decides in any case: it sends files of all other types as attachments.
"""

from __future__ import annotations

from wharf_console.api.files import File

#: The pictures in `INLINE_TYPES` of the upload service, without types that few browsers show.
PICTURES = frozenset(
    ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp")
)
_SOUNDS = frozenset(
    ("audio/mpeg", "audio/mp4", "audio/ogg", "audio/wav", "audio/flac", "audio/aac", "audio/webm")
)
_FILMS = frozenset(("video/mp4", "video/webm", "video/ogg", "video/quicktime"))
_TEXT = "text/plain"
#: The types with small pictures. For PDF, `images` needs an extra package; without it the response
#: is 404, and pages show an icon.
_MADE_SMALL = frozenset(
    ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "application/pdf")
)
#: The widths of small pictures, in pixels.
WIDTHS = (64, 256, 1024)
# For a larger picture the page shows the small picture first, but not for an animation, because
# its small picture does not move.
_LARGE_BYTES = 1_000_000
_MAY_MOVE = "image/gif"
_MAX_PICTURE_BYTES = 50_000_000
# A browser lays out a whole text at the same time.
_MAX_TEXT_BYTES = 1_000_000
# The lowest rates in use: 16 kbit/s for speech, 200 kbit/s for a small video.
_LOWEST_BYTES_PER_SECOND = {"audio": 2_000, "video": 25_000}
_BEGIN_SECONDS = 5 * 60
_LONGEST_SECONDS = 6 * 3600


def kind_of(file: File) -> str:
    """Return `picture`, `video`, `audio` or `text`; an empty text if the page shows no content."""
    if file.state != "available" or not file.size:
        return ""
    if file.media_type in PICTURES:
        return "picture" if file.size <= _MAX_PICTURE_BYTES else ""
    if file.media_type in _FILMS:
        return "video"
    if file.media_type in _SOUNDS:
        return "audio"
    return "text" if file.media_type == _TEXT and file.size <= _MAX_TEXT_BYTES else ""


def playing_seconds(file: File) -> int:
    """Return the longest time for playing a video or audio file, in seconds; 0 for other files.

    A link must be valid for this time, because a player requests one part after the other. The real
    duration is not known. So the result is the duration at the lowest rate in use, and some time
    until the person starts the player, at most six hours.
    """
    rate = _LOWEST_BYTES_PER_SECOND.get(kind_of(file))
    return min(_LONGEST_SECONDS, _BEGIN_SECONDS + file.size // rate) if rate else 0


def has_thumb(file: File) -> bool:
    """Tell whether a list shows a small picture of the file, if such a picture can be made."""
    return file.media_type in _MADE_SMALL and bool(file.size) and file.state == "available"


def is_shown_small(file: File) -> bool:
    """Tell whether the page of the file shows a small picture instead of the file."""
    if not has_thumb(file) or kind_of(file) != "picture":
        return has_thumb(file)
    return file.size > _LARGE_BYTES and file.media_type != _MAY_MOVE
