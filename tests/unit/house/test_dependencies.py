"""Each package declares exactly the distributions that it imports."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from tests.servers.sources import source

ROOT = Path(__file__).parents[3]
# A package is a folder with a pyproject.toml below one of these folders.
FOLDERS = ("libs", "services", "deploy")
# Distributions that a package needs without importing them.
NEEDED = {
    "redis": "limits imports it where a URL says redis://",
    "pyuwsgi": "the program in which the service runs",
    "websockets": "uvicorn speaks WebSocket with it, by name",
}
# uWSGI makes this module inside its own processes.
NOT_INSTALLED = {"uwsgi"}


def packages(root: Path) -> dict[str, Path]:
    """Return the folder of each package, by the name of its distribution."""
    found = [path for folder in FOLDERS for path in sorted(root.glob(f"{folder}/*/pyproject.toml"))]
    return {_pyproject(path.parent)["project"]["name"]: path.parent for path in found}


def declared(folder: Path) -> set[str]:
    """Return the distributions that a package declares, with its extras and without itself."""
    project = _pyproject(folder)["project"]
    extras = project.get("optional-dependencies", {}).values()
    requirements = [*project["dependencies"], *(one for extra in extras for one in extra)]
    names = (re.match(r"[\w.-]+", one) for one in requirements)
    return {_normal(name[0]) for name in names if name} - {_normal(project["name"])}


def imported(folder: Path, own: dict[str, str]) -> set[str]:
    """Return the distributions that a package imports; `own` has the distribution of each of our
    modules.
    """
    modules = {name for path in (folder / "src").rglob("*.py") for name in _modules(path)}
    foreign = {name for name in modules if name.partition(".")[0] not in sys.stdlib_module_names}
    # Stub packages are imported for their types and read by mypy only.
    foreign = {name for name in foreign if not name.startswith("types_")}
    return {_distribution(name, _installed(), own) for name in foreign - NOT_INSTALLED}


@cache
def _installed() -> Mapping[str, list[str]]:
    """Return the distributions of each installed module. This takes a second, so it is cached."""
    return metadata.packages_distributions()


def _modules(path: Path) -> Iterator[str]:
    content = source(path)
    yield from (alias.name for node in content.imports for alias in node.names)
    for node in content.imports_from:
        if node.level == 0:
            # If several distributions share a namespace, the imported name decides, because it
            # may be a module.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _distribution(name: str, known: Mapping[str, list[str]], own: dict[str, str]) -> str:
    """Return the distribution of a module, or the module's package if no distribution has it."""
    top = name.partition(".")[0]
    if top in own:
        return own[top]
    candidates = sorted(set(known.get(top, [top])))
    holders = [one for one in candidates if len(candidates) == 1 or _holds(one, name)]
    return _normal(holders[0]) if holders else name


@cache
def _holds(distribution: str, name: str) -> bool:
    files = {str(file) for file in metadata.files(distribution) or ()}
    parts = name.split(".")
    paths = ("/".join(parts[:count]) for count in range(len(parts), 1, -1))
    return any(f"{path}{end}" in files for path in paths for end in (".py", "/__init__.py"))


def _pyproject(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _own(root: Path) -> dict[str, str]:
    """Return the distribution of each of our modules."""
    return {
        module.name: name
        for name, folder in packages(root).items()
        for module in (folder / "src").iterdir()
    }


@pytest.mark.parametrize("name", packages(ROOT))
def test_a_package_declares_what_it_imports(name: str) -> None:
    """A package imports all distributions that it declares, except `NEEDED`, and no others."""
    folder, own = packages(ROOT)[name], _own(ROOT)
    said, found = declared(folder), imported(folder, own) - {name}
    assert found <= said
    assert said - found <= NEEDED.keys()


def test_nothing_is_excused_in_vain() -> None:
    """Each distribution in `NEEDED` is declared by a package that does not import it."""
    own = _own(ROOT)
    unused = [declared(one) - imported(one, own) for one in packages(ROOT).values()]
    assert NEEDED.keys() <= set[str]().union(*unused)


def test_every_kind_of_import_counts(tmp_path: Path) -> None:
    """An import in a function, under another name, or from a namespace is found."""
    source = tmp_path / "src/some/module.py"
    source.parent.mkdir(parents=True)
    source.write_text(
        "import os, jwt\n"
        "from . import other\n"
        "from servicekit.ids import uuid7_hex\n"
        "def late():\n"
        "    import prometheus_client.core as core\n"
        "    from opentelemetry import trace\n"
        "    from opentelemetry.sdk.trace import TracerProvider\n"
        "    import of_nobody.module\n"
    )
    assert imported(tmp_path, {"servicekit": "wharf-servicekit"}) == {
        "pyjwt",
        "wharf-servicekit",
        "prometheus-client",
        "opentelemetry-api",
        "opentelemetry-sdk",
        "of-nobody",
    }
