"""What a browser may show of a file on a page: only types that no browser executes.

The service decides anyway: whatever a page says, it sends all other types as attachments.
"""

from __future__ import annotations

from wharf_console.api.files import File

#: As `INLINE_TYPES` of the upload service, without those that few browsers show.
PICTURES = frozenset(
    ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp")
)
_SOUNDS = frozenset(
    ("audio/mpeg", "audio/mp4", "audio/ogg", "audio/wav", "audio/flac", "audio/aac", "audio/webm")
)
_FILMS = frozenset(("video/mp4", "video/webm", "video/ogg", "video/quicktime"))
_TEXT = "text/plain"
#: Of these the gateway makes small pictures; of PDF only where the service has that extra. It says
#: so by 404, and pages show what stands for the picture.
_MADE_SMALL = frozenset(
    ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "application/pdf")
)
#: The widths that there are, in pixels.
WIDTHS = (64, 256, 1024)
# A picture of more bytes is shown small first. A small one of an animation does not move.
_LARGE_BYTES = 1_000_000
_MAY_MOVE = "image/gif"
_MAX_PICTURE_BYTES = 50_000_000
# A browser lays out all of it at once.
_MAX_TEXT_BYTES = 1_000_000
# Speech has 16 kbit/s, a small film 200.
_LOWEST_BYTES_PER_SECOND = {"audio": 2_000, "video": 25_000}
_BEGIN_SECONDS = 5 * 60
_LONGEST_SECONDS = 6 * 3600


def kind_of(file: File) -> str:
    """Return `picture`, `video`, `audio` or `text`; empty for what is not shown on a page."""
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
    """Return how long a film or a sound may take to play; 0 for all else.

    No shorter link works: a player asks it for part after part. How long it plays is not known: it
    is what it takes at the lowest rate that is in use, and some time to press the button.
    """
    rate = _LOWEST_BYTES_PER_SECOND.get(kind_of(file))
    return min(_LONGEST_SECONDS, _BEGIN_SECONDS + file.size // rate) if rate else 0


def has_thumb(file: File) -> bool:
    """Whether a list shows a small picture of the file, where there is one."""
    return file.media_type in _MADE_SMALL and bool(file.size) and file.state == "available"


def is_shown_small(file: File) -> bool:
    """Whether the page of the file shows a small picture, not the file itself."""
    if not has_thumb(file) or kind_of(file) != "picture":
        return has_thumb(file)
    return file.size > _LARGE_BYTES and file.media_type != _MAY_MOVE
