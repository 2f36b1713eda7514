"""Download the packages of a lock file as wheels, for the Python of an image or of another root.

    wheels.py LOCK DIRECTORY

LOCK is a service or another file of requirements/, without its suffix; the packages of build.txt
are always included. Standard input is the description of that Python, in JSON (about_python.py).
pip evaluates the conditions in a lock file (`; python_full_version < '3.12'`) for the Python on
which it runs and ignores `--python-version`. So this script chooses the lines for the other Python.
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
    """Yield the entries of a lock file: the line with name and version, then its hashes."""
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
    """Return the entries for a Python with this environment, each once, without conditions."""
    entries: dict[str, list[str]] = {}
    for lock in locks:
        for first, *rest in blocks(lock):
            wanted = Requirement(first.removesuffix("\\").strip())
            if wanted.marker is None or wanted.marker.evaluate(dict(environment)):
                entry = [f"{wanted.name}{wanted.specifier} \\", *rest]
                if entries.setdefault(wanted.name, entry) != entry:
                    sys.exit(f"wheels: two lock files name different files of {wanted.name}")
    return "\n".join(line for entry in entries.values() for line in entry) + "\n"


def main() -> None:
    """Run the command line."""
    name, directory = sys.argv[1], Path(sys.argv[2])
    environment: dict[str, str] = json.load(sys.stdin)
    locks = [(ROOT / f"requirements/{lock}.txt").read_text() for lock in (name, "build")]
    wanted = chosen(locks, environment)
    key = hashlib.sha256(f"{environment['python_version']}\n{wanted}".encode()).hexdigest()
    done = directory / "key"
    if done.is_file() and done.read_text() == key:
        return
    print(f"wheels: downloading the packages of requirements/{name}.txt", flush=True)
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
        sys.exit(f"wheels: pip could not download the packages of requirements/{name}.txt")
    done.write_text(key)


if __name__ == "__main__":
    main()
