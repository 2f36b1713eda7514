"""A field for a list of short texts, and conversions of numbers with a unit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from wtforms import Field, IntegerField
from wtforms.widgets import TextArea

from wharf_console.web.language import gettext

# The separators that people type in a list, with English and Chinese keyboards.
_BETWEEN = re.compile(r"[\s,;\uff0c\u3001\uff1b]+")


class ListField(Field):
    """A field with one text per line, or texts between commas, semicolons or spaces.

    `data` is a tuple of the texts.
    """

    widget: Any = TextArea()

    def process_formdata(self, valuelist: list[str]) -> None:
        """Split the typed text."""
        if valuelist:
            parts = _BETWEEN.split(valuelist[0])
            self.data = tuple(dict.fromkeys(part for part in parts if part))

    def _value(self) -> str:
        return self.raw_data[0] if self.raw_data else "\n".join(self.data or ())


class WholeNumberField(IntegerField):
    """A field for a whole number, with the console's own error message."""

    def process_formdata(self, valuelist: list[str]) -> None:
        """Parse the number; raises `ValueError`."""
        try:
            super().process_formdata(valuelist)
        except ValueError:
            raise ValueError(gettext("Enter a whole number.")) from None


def in_unit(amount: int | None, units: Mapping[str, int]) -> tuple[int | None, str]:
    """Return an amount as a whole number of the largest possible unit, and that unit."""
    by_size = sorted(units, key=units.__getitem__, reverse=True)
    if amount is None:
        return None, ""
    unit = next((name for name in by_size if amount and amount % units[name] == 0), by_size[-1])
    return amount // units[unit], unit


def in_all(number: Any, unit: str, units: Mapping[str, int]) -> int | None:
    """Return a number of units as an amount in the smallest unit; `None` if nothing was typed."""
    return None if number is None else int(number) * units[unit]
