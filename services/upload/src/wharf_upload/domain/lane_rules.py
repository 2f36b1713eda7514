"""Rules of a lane that an operator changes, as the text of a setting: `lease=30 at_once=8`."""

from __future__ import annotations

from types import MappingProxyType

import msgspec

from wharf_upload.domain.jobs import Lane

# The field of a lane, and the limits of its value, by the name in the text.
_FIELDS = MappingProxyType(
    {
        "lease": ("lease_seconds", 5, 86400),
        "window": ("window", 1, 1000),
        "at_once": ("at_once", 1, 256),
        "tries": ("tries", 1, 1000),
    }
)
NAMES = ", ".join(_FIELDS)


class LaneRules(msgspec.Struct, frozen=True):
    """The fields of a lane that an operator has set; `None` leaves the default."""

    lease_seconds: int | None = None
    window: int | None = None
    at_once: int | None = None
    tries: int | None = None

    def applied(self, lane: Lane) -> Lane:
        """Return the lane with these rules."""
        own = {name: value for name, value in msgspec.structs.asdict(self).items() if value}
        return msgspec.structs.replace(lane, **own)


def parse_lane_rules(text: str) -> LaneRules:
    """Return the rules of a text; raise `ValueError`, which says what is allowed."""
    found: dict[str, int] = {}
    for word in text.split():
        name, _, value = word.partition("=")
        if name not in _FIELDS:
            raise ValueError(f"{word!r}: allowed are {NAMES}, each as name=number")
        field, least, most = _FIELDS[name]
        if field in found:
            raise ValueError(f"{word!r}: allowed is one value of {name}")
        # `int` alone would also accept "1_000", "+7" and digits of other scripts.
        if not (value.isascii() and value.isdigit() and least <= int(value[:9]) <= most):
            raise ValueError(f"{word!r}: allowed is a whole number from {least} to {most}")
        found[field] = int(value)
    return LaneRules(**found)
