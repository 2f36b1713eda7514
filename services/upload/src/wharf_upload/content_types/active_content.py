"""What could act if a file were taken for something else than it is."""

from __future__ import annotations

import codecs
import re

from wharf_upload.content_types.zip_files import LOCAL_HEADER

# What makes a browser, a PDF reader or an unpacker act on a file that calls itself a picture. Each
# begins with a literal byte, which the expression engine searches quickly; among random bytes there
# are many of it, and a look at the next one spares trying all names.
_ACTIVE_MARKUP = re.compile(
    rb"<(?=[SHBIOEMFshbioemf!?])(?i:script|html|svg|!doctype|!entity|body|head|iframe|object|embed|img|meta|form|\?php)"
)
_ACTIVE_PDF = re.compile(rb"%(?i:pdf-)")
# `in` takes twice as long for so short a word in bytes that hold no text.
_ACTIVE_ZIP = re.compile(re.escape(LOCAL_HEADER))
# A picture that is also JavaScript: its first bytes open a comment or an assignment.
_SCRIPTED_IMAGE = re.compile(
    rb"(?:GIF8[79]a|BM|RIFF)(?:/[*/])|GIF8[79]a\s*=[\t-\r -~]|\xff\xd8\xff\xe0/[*/]", re.DOTALL
)


def active_content(head: bytes) -> bool:
    """Tell whether `head` holds what could act if the file were taken for something else.

    Meant for types in `INLINE_TYPES`: true means that the file is served as an attachment only
    (security.md row 31). Looks at the bytes given, not at the rest of the file.
    """
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        head = head.replace(b"\0", b"")
    return bool(
        _ACTIVE_MARKUP.search(head)
        or _ACTIVE_PDF.search(head)
        or _ACTIVE_ZIP.search(head)
        or _SCRIPTED_IMAGE.match(head)
    )
