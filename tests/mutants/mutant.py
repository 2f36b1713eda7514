"""The description of a mutant."""

from __future__ import annotations

from dataclasses import dataclass

KILLED, SURVIVED, TIMED_OUT, NOT_CALLED = "killed", "survived", "timed out", "not called"


@dataclass(frozen=True)
class Mutant:
    """One change of one function."""

    name: str  # the name in mutmut's wrapper
    function: str  # the name with which mutmut's wrapper reports calls
    where: str  # for people: module:Class.method
    line: int
    before: str
    after: str

    @property
    def change(self) -> str:
        """Return the change on one line."""
        return f"{self.before} => {self.after}"
