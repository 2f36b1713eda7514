"""Builds static/dist of the console out of static/src and packages from npm.

    build_assets.py [--strict]

Node comes from PyPI (requirements/node.txt) into .venv/node, the packages by npm
(requirements/console) into .venv/console; both are locked by hashes. When nothing has changed, the
program only compares digests. If Node or a package is not available, the program publishes our own
styles without scripts and prints one line; the pages work without scripts. After an hour the next
run tries the build again. With `--strict` the program tries immediately, and exits with 1 when the
build fails.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # -I leaves it out

from services.console.tools.node_packages import (
    CommandFailed,
    install_node,
    install_packages,
    log,
    run,
)

MANIFEST = "manifest.json"
# The key of the last build and its files. It is in their folder, so that a copy of a checkout with
# its build needs neither Node nor a network.
_RECORD = ".build.json"
_STYLE = "console.css"
# A machine without a network must not wait for it with every `make run`.
_RETRY_SECONDS = 3600


@dataclass(frozen=True)
class Places:
    """The paths of the parts of a build."""

    sources: Path
    dist: Path
    node_lock: Path
    packages: Path
    tools: Path
    environment: Path

    @classmethod
    def of(cls, root: Path) -> Places:
        """Return the places in a checkout."""
        static = root / "services/console/src/wharf_console/static"
        return cls(
            sources=static / "src",
            dist=static / "dist",
            node_lock=root / "requirements/node.txt",
            packages=root / "requirements/console",
            tools=root / "services/console/tools",
            environment=root / ".venv",
        )

    def inputs(self) -> Iterable[Path]:
        """Yield the files whose change makes a new build necessary."""
        yield from sorted(path for path in self.sources.rglob("*") if path.is_file())
        yield from sorted(self.packages.glob("package*.json"))
        yield self.node_lock
        yield from (self.tools / "bundle.mjs", self.tools / "build_assets.py")


def build(places: Places, *, patient: bool = False) -> None:
    """Build static/dist when the sources have changed.

    Raise `CommandFailed` when the build fails, after publishing the styles alone. A patient call
    does not repeat a build that failed within the last hour, but raises the error of that build.
    """
    places.dist.mkdir(parents=True, exist_ok=True)
    folder = os.open(places.dist, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # concurrent builds take turns
        key = _key(places)
        if _is_built(places, key, patient=patient):
            return
        with tempfile.TemporaryDirectory(dir=places.dist.parent, prefix=".dist-") as made:
            try:
                _bundle(places, Path(made))
            except CommandFailed as reason:
                _style_alone(places, Path(made))
                _publish(Path(made), places, key, failure=str(reason))
                raise
            _publish(Path(made), places, key)
    finally:
        os.close(folder)


def _key(places: Places) -> str:
    digest = hashlib.sha256()
    for path in places.inputs():
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _is_built(places: Places, key: str, *, patient: bool) -> bool:
    """Tell whether the last build was of these sources and successful, and all its files exist.

    Raise `CommandFailed` when the last build failed in this checkout within the last hour, and the
    caller is patient. A copy of the checkout, as in the build of an image, may have another
    network.
    """
    try:
        last = json.loads((places.dist / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    files = (*last["files"], MANIFEST)
    if last["key"] != key or not all((places.dist / name).is_file() for name in files):
        return False
    here = last.get("place") == str(places.environment)
    if last["failure"] and patient and here and time.time() - last["time"] < _RETRY_SECONDS:
        raise CommandFailed(last["failure"])
    return not last["failure"]


def _bundle(places: Places, made: Path) -> None:
    node = install_node(places.environment, places.node_lock)
    modules = install_packages(places.environment, places.packages, node)
    script = str(places.tools / "bundle.mjs")
    run([str(node), script, str(places.sources), str(modules), str(made)], "esbuild failed")


def _style_alone(places: Places, made: Path) -> None:
    """Write only our own styles into `made`, without the styles of packages and without scripts."""
    for old in made.iterdir():
        old.unlink()
    lines = (places.sources / _STYLE).read_text(encoding="utf-8").splitlines(keepends=True)
    style = "".join(line for line in lines if not line.startswith("@import"))
    name = f"console-{hashlib.sha256(style.encode()).hexdigest()[:8]}.css"
    (made / name).write_text(style, encoding="utf-8")
    (made / MANIFEST).write_text(json.dumps({_STYLE: name}), encoding="utf-8")


def _publish(made: Path, places: Places, key: str, failure: str = "") -> None:
    """Move a build into `dist`: first the files, then the manifest; then delete old files.

    The files of the previous build stay, because pages that were served a moment ago need them.
    """
    files = sorted(path.name for path in made.iterdir() if path.name != MANIFEST)
    record = places.dist / _RECORD
    try:
        before = json.loads(record.read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError):
        before = []
    for name in (*files, MANIFEST):
        (made / name).chmod(0o644)
        (made / name).replace(places.dist / name)
    for old in places.dist.iterdir():
        if old.name not in {*files, *before, MANIFEST, _RECORD}:
            old.unlink()
    facts = {
        "key": key,
        "files": files,
        "failure": failure,
        "time": time.time(),
        "place": str(places.environment),
    }
    record.write_text(json.dumps(facts), encoding="utf-8")


def main() -> None:
    """Build, and print one line when the pages have no scripts."""
    strict = "--strict" in sys.argv[1:]
    try:
        build(Places.of(Path(__file__).resolve().parents[3]), patient=not strict)
    except CommandFailed as reason:
        log(f"the console's pages go without scripts: {reason}")
        if strict:
            sys.exit(1)


if __name__ == "__main__":
    main()
