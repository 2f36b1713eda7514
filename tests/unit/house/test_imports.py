"""`make lint` refuses an import that the layers in pyproject.toml do not allow."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[3]
SOURCES = {
    "kept_sockets": "libs/kept_sockets/src",
    "servicekit": "libs/servicekit/src",
    "socket_guard": "libs/socket_guard/src",
    "wharf_auth": "services/auth/src",
    "wharf_console": "services/console/src",
    "wharf_images": "services/images/src",
    "wharf_upload": "services/upload/src",
    "wharf_gateway": "deploy/gateway/src",
    "wharf_native": "deploy/native/src",
}


@dataclass
class Tree:
    """A copy of the code of all packages."""

    root: Path

    def append(self, path: str, text: str) -> None:
        """Append a text to a module, which is created when it does not exist."""
        with (self.root / path).open("a", encoding="utf-8") as file:
            file.write(f"\n{text}\n")

    def lint(self) -> subprocess.CompletedProcess[str]:
        """Run lint-imports as `make lint` does, on the copy alone."""
        return subprocess.run(
            [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(self.root), "COLUMNS": "300"},
            capture_output=True,
            text=True,
            check=False,
        )


def copied(root: Path) -> Tree:
    """Return a copy of the code of all packages, without changes."""
    for package, folder in SOURCES.items():
        shutil.copytree(
            ROOT / folder / package,
            root / package,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    shutil.copy(ROOT / "pyproject.toml", root)
    return Tree(root)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Return a copy of the code of all packages for one test."""
    return copied(tmp_path)


def test_the_packages_keep_all_contracts(tree: Tree) -> None:
    """An unchanged copy passes, so in other tests the added import causes the failure."""
    done = tree.lint()
    assert done.returncode == 0, done.stdout
    assert " 0 broken." in done.stdout


# Module, wrong import, and the contract that refuses it.
WRONG_IMPORTS = [
    (
        "wharf_upload/domain/keys.py",
        "import flask",
        "The domain of wharf_upload imports no framework, database, file or socket",
    ),
    (
        "wharf_upload/content_types/sniffing.py",
        "import wharf_upload.domain.keys",
        "Layers of wharf_upload",
    ),
    (
        "wharf_upload/uploads/commit.py",
        "import wharf_upload.storage.local",
        "Only wharf_upload.bootstrap chooses the store of wharf_upload",
    ),
    (
        "wharf_upload/app.py",
        "import wharf_upload.database.sql",
        "Only wharf_upload.bootstrap chooses the database of wharf_upload",
    ),
    (
        "wharf_upload/uploads/commit.py",
        "import wharf_upload.http.request",
        "Layers of wharf_upload",
    ),
    (
        "wharf_upload/catalog/files.py",
        "import wharf_upload.settings",
        "Use cases of wharf_upload import no settings",
    ),
    (
        "wharf_upload/downloads/files.py",
        "import flask",
        "Use cases of wharf_upload import no framework and no driver",
    ),
    (
        "wharf_upload/routes/buckets.py",
        "import wharf_upload.processes.worker",
        "Only the command line imports a process of wharf_upload",
    ),
    (
        "wharf_auth/accounts/users.py",
        "import wharf_auth.database.sql",
        "Only wharf_auth.bootstrap chooses the database of wharf_auth",
    ),
    (
        "wharf_auth/domain/names.py",
        "import wharf_auth.settings",
        "Layers of wharf_auth",
    ),
    (
        "servicekit/ids.py",
        "import servicekit.web",
        "Layers of servicekit",
    ),
    (
        "servicekit/ids.py",
        "import wharf_upload",
        "The services do not import each other, and servicekit imports no service",
    ),
    (
        "wharf_auth/problems.py",
        "import wharf_upload",
        "The services do not import each other, and servicekit imports no service",
    ),
    (
        "wharf_console/api/files.py",
        "import wharf_console.sessions.records",
        "Layers of wharf_console",
    ),
    (
        "wharf_console/api/files.py",
        "import flask",
        "The console's client of the API imports no framework",
    ),
    (
        "wharf_console/web/access.py",
        "import servicekit.database",
        "The console uses no database and verifies no token: it calls the API (ADR 46)",
    ),
    (
        "wharf_console/web/access.py",
        "import redis",
        "Only the sessions of the console import the libraries that store sessions",
    ),
    (
        "wharf_console/routes/overview.py",
        "import wharf_auth.domain.users",
        "The services do not import each other, and servicekit imports no service",
    ),
    (
        "wharf_native/places.py",
        "import servicekit.ids",
        "The native runner and the gateway import no service and no framework",
    ),
    (
        "wharf_gateway/nginx.py",
        "import wharf_native.places",
        "The native runner may import the gateway, but the gateway may not import the runner",
    ),
    (
        "socket_guard/guard.py",
        "import wharf_gateway.terminal",
        "The native runner may import the gateway, but the gateway may not import the runner",
    ),
    (
        "kept_sockets/__init__.py",
        "import servicekit.ids",
        "The services do not import each other, and servicekit imports no service",
    ),
    (
        "wharf_upload/settings.py",
        "import wharf_gateway.tables",
        "The services import neither the gateway nor its parts",
    ),
    (
        "wharf_gateway/tables.py",
        "import wharf_gateway.nginx",
        "Layers of wharf_gateway",
    ),
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the report about a copy with all wrong imports. One run for all saves time."""
    tree = copied(tmp_path_factory.mktemp("wrong"))
    for number, (path, text, _) in enumerate(WRONG_IMPORTS):
        tree.append(path, f"def late_{number}() -> None:\n    {text}")
    done = tree.lint()
    assert done.returncode == 1, done.stdout
    return done.stdout


@pytest.mark.parametrize(("path", "text", "contract"), WRONG_IMPORTS)
def test_a_wrong_import_is_named(report: str, path: str, text: str, contract: str) -> None:
    """An import inside a function breaks its contract, and the report names both modules."""
    assert f"{contract} BROKEN" in report
    broken = report.partition("\nBroken contracts\n")[2]
    told = re.split(r"^(.+)\n-+$", broken, flags=re.MULTILINE)
    importer = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    line = f"{importer} -> {text.removeprefix('import ')} (l."
    assert line in told[told.index(contract) + 1]


CIRCLES = [
    # Two modules of one package.
    (
        "wharf_upload/domain/buckets.py",
        "import wharf_upload.domain.policies",
        ".buckets",
        ".policies",
    ),
    # Two subpackages of one package.
    (
        "wharf_upload/uploads/multipart/parser.py",
        "import wharf_upload.uploads.arriving_form",
        ".multipart",
        ".arriving_form",
    ),
    # The supervisor, which has no layers.
    ("wharf_native/places.py", "import wharf_native.plan", ".places", ".plan"),
]
WITH_LAYERS = ["servicekit", "wharf_auth", "wharf_console", "wharf_upload", "wharf_gateway"]


@pytest.fixture(scope="module")
def of_rooms(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the report about a copy with circular imports, and with modules that have no layer."""
    tree = copied(tmp_path_factory.mktemp("rooms"))
    for path, text, _, _ in CIRCLES:
        tree.append(path, f"def late() -> None:\n    {text}")
    for package in WITH_LAYERS:
        tree.append(f"{package}/stray_of_{package}.py", "")
    done = tree.lint()
    assert done.returncode == 1, done.stdout
    return done.stdout


@pytest.mark.parametrize(("path", "text", "importer", "imported"), CIRCLES)
def test_a_circle_is_named(
    of_rooms: str, path: str, text: str, importer: str, imported: str
) -> None:
    """A circular import is refused, and the report names both modules."""
    assert "No package has an import cycle BROKEN" in of_rooms
    told = of_rooms.partition("\nBroken contracts\n")[2]
    assert re.search(rf"{re.escape(importer)}\b", told)
    assert re.search(rf"{re.escape(imported)}\b", told)


def test_no_module_imports_itself_through_others() -> None:
    """No module imports itself through other modules: the graph of imports has no cycle."""
    graph = grimp.build_graph(*SOURCES, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(list(TopologicalSorter(imports).static_order())) == len(graph.modules)


@pytest.mark.parametrize("package", WITH_LAYERS)
def test_a_module_without_a_layer_is_refused(of_rooms: str, package: str) -> None:
    """A new module of a package with layers is refused until it has a layer."""
    assert f"Layers of {package} BROKEN" in of_rooms
    assert f"stray_of_{package}" in of_rooms.partition("\nBroken contracts\n")[2]
