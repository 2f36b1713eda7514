"""Fetches the packages of a lock file as wheels, for the Python of an image or of another root.

    wheels.py LOCK DIRECTORY

LOCK is a service or another file of requirements/, without its ending; build.txt comes with each.
Standard input is what that Python says of itself, in JSON (about_python.py). pip judges the
conditions in a lock file (`; python_full_version < '3.12'`) by the Python that it runs on, whatever
`--python-version` says; so the lines that the other Python needs are chosen here.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]


def blocks(lock: str) -> Iterator[list[str]]:
    """The entries of a lock file: the line with name and version, and those of its hashes."""
    block: list[str] = []
    for line in lock.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if block and not line.startswith(" "):
            yield block
            block = []
        block.append(line)
    if block:
        yield block


def chosen(locks: Iterable[str], environment: Mapping[str, str]) -> str:
    """The entries that a Python like this one installs, each once and without its condition."""
    entries: dict[str, list[str]] = {}
    for lock in locks:
        for first, *rest in blocks(lock):
            wanted = Requirement(first.removesuffix("\\").strip())
            if wanted.marker is None or wanted.marker.evaluate(dict(environment)):
                entry = [f"{wanted.name}{wanted.specifier} \\", *rest]
                if entries.setdefault(wanted.name, entry) != entry:
                    sys.exit(f"wheels: two lock files ask for different files of {wanted.name}")
    return "\n".join(line for entry in entries.values() for line in entry) + "\n"


def main() -> None:
    """The command line."""
    name, directory = sys.argv[1], Path(sys.argv[2])
    environment: dict[str, str] = json.load(sys.stdin)
    locks = [(ROOT / f"requirements/{lock}.txt").read_text() for lock in (name, "build")]
    wanted = chosen(locks, environment)
    key = hashlib.sha256(f"{environment['python_version']}\n{wanted}".encode()).hexdigest()
    done = directory / "key"
    if done.is_file() and done.read_text() == key:
        return
    print(f"wheels: fetching the packages of requirements/{name}.txt", flush=True)
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.iterdir():
        old.unlink()
    list_file = directory / "requirements.txt"
    list_file.write_text(wanted)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    options = ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
    version = ["--python-version", environment["python_version"]]
    command = [*pip, "download", *options, *version, "--dest", str(directory), "-r", str(list_file)]
    fetched = subprocess.run(command, capture_output=True, text=True, check=False)
    if fetched.returncode != 0:
        sys.stderr.write(fetched.stdout + fetched.stderr)
        sys.exit(f"wheels: pip could not fetch the packages of requirements/{name}.txt")
    done.write_text(key)


if __name__ == "__main__":
    main()
