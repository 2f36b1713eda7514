"""How much is sent, and the files that are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench.machine import GIB, MIB, read_through

SMALL_BYTES = 10 * 1024
_JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000")


@dataclass(frozen=True)
class Scale:
    """How much is sent: `small_seconds` of small requests, and files of these many bytes.

    Each measurement is made of some `tries`, and the best one counts.

    `warm_bytes` is what a workload needs of memory that nobody had before: file, spool and copy.
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
    """Files to upload."""

    small: Path
    large: Path
    huge: Path


def make_sources(folder: Path, scale: Scale) -> Sources:
    """Random bytes behind the head of a JPEG file."""
    sources = Sources(folder / "small.jpg", folder / "large.jpg", folder / "huge.jpg")
    sizes = (SMALL_BYTES, scale.large_bytes, scale.huge_bytes)
    for path, size in zip((sources.small, sources.large, sources.huge), sizes, strict=True):
        with path.open("wb") as file:
            left = size - file.write(_JPEG)
            while left:
                left -= file.write(os.urandom(min(left, MIB)))
    return sources


def prefetch(sources: Sources) -> None:
    """What is sent comes from memory."""
    for path in (sources.small, sources.large, sources.huge):
        read_through(path)
