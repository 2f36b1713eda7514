"""The rooms whose code is mutated, and the tests that are to notice it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Service:
    """A package with its tests: they run once for all of its rooms, to see who calls what."""

    name: str
    source: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Room:
    """A part of a service that has a score of its own."""

    name: str
    service: Service
    folder: str

    def modules(self) -> Iterator[tuple[str, Path]]:
        """Each module's name, and where it is."""
        base = ROOT / self.service.source
        for path in sorted((base / self.folder).rglob("*.py")):
            if path.name != "__init__.py":
                yield ".".join(path.relative_to(base).with_suffix("").parts), path


UPLOAD = Service(
    "upload",
    "services/upload/src",
    ("tests/unit/upload", "tests/contract/records", "tests/contract/stores"),
)
AUTH = Service("auth", "services/auth/src", ("tests/unit/auth", "tests/contract/auth"))

ROOMS = (
    Room("domain", UPLOAD, "wharf_upload/domain"),
    Room("access", UPLOAD, "wharf_upload/access"),
    Room("database", UPLOAD, "wharf_upload/database"),
    Room("maintenance", UPLOAD, "wharf_upload/maintenance"),
    Room("auth-records", AUTH, "wharf_auth/database"),
)
