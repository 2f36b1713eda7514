"""Tables of settings: each row has the name, default, unit, meaning and allowed values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wharf_gateway.terminal import CannotRunError


class Setting:
    """One environment variable.

    Args:
        name: the whole name, `WHARF_...`.
        default: the value when the variable is unset or empty.
        unit: what the number counts; empty for text.
        meaning: the description for the operator, without a full stop.
        minimum: the smallest allowed number; None when the value is text.
        maximum: the largest allowed number.
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
        """Return the text of the variable or its default.

        Raises:
            CannotRunError: the text is not a number, or the number is out of bounds.
        """
        # An empty variable counts as unset: some wrappers set unset variables to an empty text.
        text = environ.get(self.name) or self.default
        if self.minimum is None or text in self.words:
            return text
        # int() would also accept "1_000", " 7" and digits of other scripts.
        digits = text.isascii() and text.isdigit()
        if not digits or not self.minimum <= int(text) <= self.maximum:
            raise CannotRunError(f"{self.name}={text!r}: allowed is {self.allowed()}")
        return text

    def number(self, environ: Mapping[str, str]) -> int:
        """Return the variable as a number; raise CannotRunError like `read`."""
        return int(self.read(environ))

    def allowed(self) -> str:
        """Return a description of the allowed values."""
        if self.minimum is None:
            return "text"
        bound = "or more" if self.maximum == 2**63 - 1 else f"to {self.maximum}"
        return " or ".join((*self.words, f"a whole number from {self.minimum} {bound}"))


def read_all(table: Sequence[Setting], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the checked text of every setting, by its name."""
    return {setting.name: setting.read(environ) for setting in table}


def markdown(table: Sequence[Setting]) -> str:
    """Return the table in Markdown for the documentation."""
    rows = ["| variable | default | unit | meaning |", "|---|---|---|---|"]
    for row in table:
        default = f"`{row.default}`" if row.default else ""
        rows.append(f"| `{row.name}` | {default} | {row.unit} | {row.meaning} |")
    return "\n".join(rows) + "\n"
