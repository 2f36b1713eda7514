"""Detection of active content: bytes that run code when a program takes them for another type."""

from __future__ import annotations

import codecs
import re

from wharf_upload.content_types.zip_files import LOCAL_HEADER

# Markup on which a browser acts even if the declared type is a picture. The expression begins with
# a literal byte, because the regex engine finds a literal byte quickly. Random bytes
# contain many "<", so a lookahead checks the next byte before the engine tries all names.
_ACTIVE_MARKUP = re.compile(
    rb"<(?=[SHBIOEMFshbioemf!?])(?i:script|html|svg|!doctype|!entity|body|head|iframe|object|embed|img|meta|form|\?php)"
)
_ACTIVE_PDF = re.compile(rb"%(?i:pdf-)")
# A compiled pattern is twice as fast as `in` when it searches binary data for these four bytes.
_ACTIVE_ZIP = re.compile(re.escape(LOCAL_HEADER))
# A picture that is also valid JavaScript: its first bytes open a comment or an assignment.
_SCRIPTED_IMAGE = re.compile(
    rb"(?:GIF8[79]a|BM|RIFF)(?:/[*/])|GIF8[79]a\s*=[\t-\r -~]|\xff\xd8\xff\xe0/[*/]", re.DOTALL
)


def active_content(head: bytes) -> bool:
    """Tell whether `head` contains markup, a PDF, a ZIP entry or a script.

    The function is meant for files with a type in `INLINE_TYPES`. If it returns true, the service
    sends the file only as an attachment, unless the file is plain text (security.md row 31). The
    function reads the given bytes, not the rest of the file.
    """
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        head = head.replace(b"\0", b"")
    return bool(
        _ACTIVE_MARKUP.search(head)
        or _ACTIVE_PDF.search(head)
        or _ACTIVE_ZIP.search(head)
        or _SCRIPTED_IMAGE.match(head)
    )
