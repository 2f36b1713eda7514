"""nginx's locations for bodies without a length, one for each body class (ADR 58).

nginx's limit for a body is a fixed number in a location. Admission returns the class of a body, in
bytes, and nginx continues in the location of that class.
"""

from __future__ import annotations

# The upload service has the same classes (`wharf_upload/domain/body_classes.py`); a test compares
# them.
FACTOR = 2
SMALLEST_BYTES = 1 << 10
LARGEST_BYTES = 1 << 50
CLASSES = tuple(
    SMALLEST_BYTES * FACTOR**step
    for step in range(LARGEST_BYTES.bit_length())
    if SMALLEST_BYTES * FACTOR**step <= LARGEST_BYTES
)
# The prefixes of the locations' names, and the snippet that each location includes.
_WAYS = (
    ("limited", "snippets/unsized_body.conf"),
    ("limited_stream", "snippets/unsized_stream.conf"),
)


def template_values(max_body_bytes: int) -> dict[str, str]:
    """Return the body classes for nginx's templates; the largest is the gateway's own limit."""
    sizes = (*(size for size in CLASSES if size < max_body_bytes), max_body_bytes)
    names = [f"{size} _{size};" for size in sizes[:-1]]
    locations = [
        f"location @{way}_{size} {{ client_max_body_size {size}; include {snippet}; }}"
        for way, snippet in _WAYS
        for size in sizes
    ]
    return {
        "WHARF_BODY_CLASS_NAMES": "\n    ".join((f"default _{sizes[-1]};", *names)),
        "WHARF_BODY_CLASS_LOCATIONS": "\n".join(locations),
    }
