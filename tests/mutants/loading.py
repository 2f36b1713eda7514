"""Loads modules with their mutants in the place of those on the disk."""

from __future__ import annotations

import importlib.abc
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, code: str) -> None:
        super().__init__(name, path)
        self._code = code

    def get_code(self, fullname: str) -> CodeType:
        """The mutated module; no byte code is kept of it."""
        return compile(self._code, self.path, "exec", dont_inherit=True)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, modules: Mapping[str, tuple[Path, str]]) -> None:
        self._modules = modules

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module with its mutants, where there are some."""
        if fullname not in self._modules:
            return None
        place, code = self._modules[fullname]
        return spec_from_file_location(fullname, place, loader=_Loader(fullname, str(place), code))


def load_mutated(modules: Mapping[str, tuple[Path, str]]) -> None:
    """From now on these modules are imported with their mutants."""
    early = sorted(name for name in modules if name in sys.modules)
    assert not early, f"imported before they were mutated: {early}"
    sys.meta_path.insert(0, _Finder(modules))
