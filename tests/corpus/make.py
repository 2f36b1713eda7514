"""Make the corpus: files of real programs, with the type of each and libmagic's answer.

  python -m tests.corpus.make FOLDER

FOLDER is for intermediate files. The script needs the Debian packages of `packages.txt`, the Python
packages of `python.txt`, and file(1). It writes `corpus.tar.xz` and `manifest.tsv`. If a program
is missing or fails, the script omits the file of the program, and prints the name of the file at
the end.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

from tests.corpus import python_writers

HERE = Path(__file__).resolve().parent
_FONTFORGE = "fontforge -quiet -lang=ff -c 'Open($1); Generate($2)'"


class Made(NamedTuple):
    """A file of the corpus."""

    name: str
    media_type: str
    writer: str


class Maker:
    """A maker that writes the files into a folder, and remembers the files that it
    could not make.
    """

    def __init__(self, folder: Path) -> None:
        self._in, self.out = folder / "in", folder / "out"
        for each in (self._in, self.out):
            shutil.rmtree(each, ignore_errors=True)
            each.mkdir(parents=True)
        self.made: list[Made] = []
        self.failed: list[str] = []
        self._environment = {
            **os.environ,
            "IN": str(self._in),
            "FF": "ffmpeg -v error -nostdin -y -bitexact",
            "LO": str(HERE / "office.sh"),
            "FONTFORGE": _FONTFORGE,
            "HOME": str(folder),
            "SOURCE_DATE_EPOCH": "0",
        }

    def run(self, command: str, out: Path | None = None) -> str | None:
        """Run a shell command. If it fails or leaves `out` empty, return the end of its output.
        Otherwise return `None`.
        """
        environment = {**self._environment, "OUT": str(out)}
        done = subprocess.run(
            ["sh", "-c", _expanded(command, environment)],
            env=environment, capture_output=True, text=True, check=False, timeout=180,
        )  # fmt: skip
        if done.returncode or (out is not None and not (out.exists() and out.stat().st_size)):
            return (done.stderr or done.stdout or "no output")[-300:]
        return None

    def inputs(self) -> None:
        """Make the input files of the recipes."""
        said = self.run(f"sh {HERE / 'inputs.sh'}")
        if said is not None:
            sys.exit(f"inputs.sh: {said}")

    def recipes(self) -> None:
        """Write the files of `recipes.txt`."""
        for line in (HERE / "recipes.txt").read_text(encoding="utf-8").splitlines():
            if not line or line.startswith("#"):
                continue
            name, media_type, program, command = (part.strip() for part in line.split(" | ", 3))
            said = self.run(command.replace("\\|", "|"), self.out / name)
            self._note(name, media_type, f"{program} {_version(program)}", said)

    def writers(self) -> None:
        """Write the files of `python_writers`."""
        for writer in python_writers.WRITERS:
            said = None
            try:
                writer.write(self.out / writer.name)
            except Exception as error:  # noqa: BLE001 -- each package fails in its own way
                said = repr(error)
            version = (
                platform.python_version()
                if writer.package == "python"
                else _package_version(writer.package)
            )
            self._note(writer.name, writer.media_type, f"{writer.package} {version}", said)

    def _note(self, name: str, media_type: str, writer: str, said: str | None) -> None:
        if said is None:
            self.made.append(Made(name, media_type, writer))
        else:
            (self.out / name).unlink(missing_ok=True)
            self.failed.append(f"{name}: {said}")


def _expanded(command: str, environment: dict[str, str]) -> str:
    """Return the command with the variables that contain several words filled in."""
    for word in ("FF", "LO", "FONTFORGE"):
        command = command.replace(f"${word} ", f"{environment[word]} ")
    return command


def _version(program: str) -> str:
    """Return the version of the Debian package that contains a program, or `?` if there is none."""
    name = "soffice" if program == "libreoffice" else program
    path = os.path.realpath(shutil.which(name, path="/usr/bin:/bin") or name)
    owner = subprocess.run(["dpkg", "-S", path], capture_output=True, text=True, check=False)
    package = owner.stdout.partition(":")[0]
    asked = ["dpkg-query", "-W", "-f", "${Version}", package or program]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout or "?"


def _package_version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "?"


def _libmagic(path: Path) -> str:
    done = subprocess.run(
        ["file", "--brief", "--mime-type", str(path)], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def _pack(maker: Maker) -> None:
    version = subprocess.run(["file", "--version"], capture_output=True, text=True, check=True)
    lines = [
        "# Made by tests/corpus/make.py; change it, or recipes.txt, there.",
        f"# libmagic: {version.stdout.splitlines()[0].removeprefix('file-')}",
        "# name\ttype\tlibmagic\twriter",
    ]
    with tarfile.open(HERE / "corpus.tar.xz", "w:xz", preset=9) as archive:
        for one in sorted(maker.made):
            path = maker.out / one.name
            entry = tarfile.TarInfo(one.name)
            entry.size = path.stat().st_size
            with path.open("rb") as content:
                archive.addfile(entry, content)
            lines.append("\t".join((one.name, one.media_type, _libmagic(path), one.writer)))
    (HERE / "manifest.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> int:
    """Make the corpus and return the exit code."""
    maker = Maker(Path(sys.argv[1]).resolve())
    maker.inputs()
    maker.recipes()
    maker.writers()
    _pack(maker)
    types = {one.media_type for one in maker.made}
    report = [f"{len(maker.made)} files of {len(types)} types"]
    report += [f"left out: {line}" for line in maker.failed]
    sys.stdout.write("\n".join(report) + "\n")
    return 1 if maker.failed else 0


if __name__ == "__main__":
    sys.exit(main())
