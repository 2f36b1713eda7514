"""The metrics of nginx's parent process, in a file that nginx serves on the internal port."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import NamedTuple


class Metric(NamedTuple):
    """One metric of Prometheus' text format, version 0.0.4.

    Attributes:
        name: the metric's name.
        kind: `counter` or `gauge`.
        text: the description.
    """

    name: str
    kind: str
    text: str


class MetricsFile:
    """A file with the values of metrics without labels; each change replaces the file.

    Args:
        path: the path of the file.
    """

    def __init__(self, path: str) -> None:
        self._path, self._lock = path, threading.Lock()
        self._values: dict[Metric, float] = {}

    def update(self, values: Mapping[Metric, float]) -> None:
        """Set the given values, keep all others, and write the file."""
        with self._lock:
            self._values.update(values)
            new = f"{self._path}.new"
            with open(new, "w", encoding="ascii") as file:
                file.writelines(
                    f"# HELP {name} {text}\n# TYPE {name} {kind}\n{name} {value:.15g}\n"
                    for (name, kind, text), value in self._values.items()
                )
            os.replace(new, self._path)
