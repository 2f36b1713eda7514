"""The amounts that a run sends, and its source files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench.machine import GIB, MIB, read_through

SMALL_BYTES = 10 * 1024
_JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000")


@dataclass(frozen=True)
class Scale:
    """The amounts that a run sends: small requests for `small_seconds`, and files by their bytes.

    A measurement has several `tries`; the best rate and the least CPU time count.

    `warm_bytes` is the fresh memory that a workload needs, for file, spool and copy.
    """

    tries: int
    small_seconds: float
    large_bytes: int
    huge_bytes: int
    warm_bytes: int
    calm_seconds: float
    hotpath_requests: int
    hotpath_rounds: int


WHOLE = Scale(3, 3, 100 * MIB, GIB, 3 * GIB, 60, 1500, 8)
QUICK = Scale(1, 1, 4 * MIB, 32 * MIB, 256 * MIB, 1, 100, 1)


@dataclass(frozen=True)
class Sources:
    """The files to upload."""

    small: Path
    large: Path
    huge: Path


def make_sources(folder: Path, scale: Scale) -> Sources:
    """Create files with random bytes after the head of a JPEG file."""
    sources = Sources(folder / "small.jpg", folder / "large.jpg", folder / "huge.jpg")
    sizes = (SMALL_BYTES, scale.large_bytes, scale.huge_bytes)
    for path, size in zip((sources.small, sources.large, sources.huge), sizes, strict=True):
        with path.open("wb") as file:
            left = size - file.write(_JPEG)
            while left:
                left -= file.write(os.urandom(min(left, MIB)))
    return sources


def prefetch(sources: Sources) -> None:
    """Read the sources into the page cache."""
    for path in (sources.small, sources.large, sources.huge):
        read_through(path)
