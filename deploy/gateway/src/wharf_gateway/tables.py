"""Settings as tables: one row has the name, default, unit, meaning and what is allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wharf_gateway.terminal import CannotRunError


class Setting:
    """One variable of the environment.

    Args:
        name: the whole name, `WHARF_...`.
        default: its text when the variable is unset or empty.
        unit: what the number counts; empty for text.
        meaning: for the operator, without a full stop.
        minimum: smallest allowed number; None when the value is text.
        maximum: largest allowed number, included.
        words: words allowed instead of a number.
    """

    __slots__ = ("default", "maximum", "meaning", "minimum", "name", "unit", "words")

    def __init__(
        self,
        name: str,
        default: str,
        unit: str,
        meaning: str,
        *,
        minimum: int | None = None,
        maximum: int = 2**63 - 1,
        words: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.default = default
        self.unit = unit
        self.meaning = meaning
        self.minimum = minimum
        self.maximum = maximum
        self.words = words

    def read(self, environ: Mapping[str, str]) -> str:
        """The text of the variable or its default.

        Raises:
            CannotRunError: a number is not one, or out of its bounds.
        """
        # Empty means unset: wrappers pass unset variables on as empty ones.
        text = environ.get(self.name) or self.default
        if self.minimum is None or text in self.words:
            return text
        # isascii and isdigit, because int() also takes "1_000", " 7" and other scripts' digits.
        digits = text.isascii() and text.isdigit()
        if not digits or not self.minimum <= int(text) <= self.maximum:
            raise CannotRunError(f"{self.name}={text!r}: allowed is {self.allowed()}")
        return text

    def number(self, environ: Mapping[str, str]) -> int:
        """The variable as a number."""
        return int(self.read(environ))

    def allowed(self) -> str:
        """The allowed values in words."""
        if self.minimum is None:
            return "text"
        bound = "or more" if self.maximum == 2**63 - 1 else f"to {self.maximum}"
        return " or ".join((*self.words, f"a whole number from {self.minimum} {bound}"))


def read_all(table: Sequence[Setting], environ: Mapping[str, str]) -> dict[str, str]:
    """Name and checked text of every row."""
    return {setting.name: setting.read(environ) for setting in table}


def markdown(table: Sequence[Setting]) -> str:
    """The table as the documentation shows it."""
    rows = ["| variable | default | unit | meaning |", "|---|---|---|---|"]
    for row in table:
        default = f"`{row.default}`" if row.default else ""
        rows.append(f"| `{row.name}` | {default} | {row.unit} | {row.meaning} |")
    return "\n".join(rows) + "\n"
