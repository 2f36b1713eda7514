"""What a mutant is."""

from __future__ import annotations

from dataclasses import dataclass

KILLED, SURVIVED, TIMED_OUT, NOT_CALLED = "killed", "survived", "timed out", "not called"


@dataclass(frozen=True)
class Mutant:
    """One change of one function."""

    name: str  # as mutmut's wrapper knows it
    function: str  # as mutmut's wrapper tells of its calls
    where: str  # as a person reads it: module:Class.method
    line: int
    before: str
    after: str

    @property
    def change(self) -> str:
        """The change in one line."""
        return f"{self.before} => {self.after}"
