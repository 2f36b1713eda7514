"""Fetches the locked packages of a service as files, for the Python of an image.

    wheels.py SERVICE DIRECTORY

Standard input is what the image's Python says of itself, in JSON (build.sh). pip judges the
conditions in a lock file (`; python_full_version < '3.12'`) by the Python that it runs on, whatever
`--python-version` says; so the lines that the image needs are chosen here.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
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


def chosen(lock: str, environment: Mapping[str, str]) -> str:
    """The entries that a Python like this one installs, without their conditions."""
    lines: list[str] = []
    for first, *rest in blocks(lock):
        wanted = Requirement(first.removesuffix("\\").strip())
        if wanted.marker is None or wanted.marker.evaluate(dict(environment)):
            lines += [f"{wanted.name}{wanted.specifier} \\", *rest]
    return "\n".join(lines) + "\n"


def main() -> None:
    """The command line."""
    service, directory = sys.argv[1], Path(sys.argv[2])
    environment: dict[str, str] = json.load(sys.stdin)
    locks = [(ROOT / f"requirements/{name}.txt").read_text() for name in (service, "build")]
    wanted = "".join(chosen(lock, environment) for lock in locks)
    key = hashlib.sha256(f"{environment['python_version']}\n{wanted}".encode()).hexdigest()
    done = directory / "key"
    if done.is_file() and done.read_text() == key:
        return
    print(f"images: fetching the packages of requirements/{service}.txt", flush=True)
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.iterdir():
        old.unlink()
    list_file = directory / "requirements.txt"
    list_file.write_text(wanted)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    options = ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
    version = ["--python-version", environment["python_version"]]
    command = [*pip, "download", *options, *version, "--dest", str(directory), "-r", str(list_file)]
    if subprocess.run(command, check=False).returncode != 0:
        sys.exit(f"images: pip could not fetch the packages of requirements/{service}.txt")
    done.write_text(key)


if __name__ == "__main__":
    main()
