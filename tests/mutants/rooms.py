"""The packages whose code is mutated, and the tests that should kill the mutants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Service:
    """A service with its tests. The tests run once for all packages, to record their calls."""

    name: str
    source: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Room:
    """A part of a service with a separate score."""

    name: str
    service: Service
    folder: str

    def modules(self) -> Iterator[tuple[str, Path]]:
        """Yield the name and the path of each module."""
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
