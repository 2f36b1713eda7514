"""An importer that replaces modules by their mutated code."""

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
        """Compile the mutated module without caching its byte code."""
        return compile(self._code, self.path, "exec", dont_inherit=True)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, modules: Mapping[str, tuple[Path, str]]) -> None:
        self._modules = modules

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the mutated module, or `None` if this module has no mutants."""
        if fullname not in self._modules:
            return None
        place, code = self._modules[fullname]
        return spec_from_file_location(fullname, place, loader=_Loader(fullname, str(place), code))


def load_mutated(modules: Mapping[str, tuple[Path, str]]) -> None:
    """Let these modules be imported with their mutants from now on."""
    early = sorted(name for name in modules if name in sys.modules)
    assert not early, f"imported before they were mutated: {early}"
    sys.meta_path.insert(0, _Finder(modules))
