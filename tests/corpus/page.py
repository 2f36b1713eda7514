"""Make docs/types.md from the corpus: the types that Wharf and libmagic find in real files.

python -m tests.corpus.page
"""

from __future__ import annotations

import tarfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from servicekit.file_types import FILE_TYPES
from wharf_upload.content_types.sniffing import HEAD_BYTES, sniff

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "types.md"
_ABOUT = HERE / "about.md"


class Case(NamedTuple):
    """A file of the corpus, the type that a person gives the file, the type that libmagic finds,
    and the program that wrote the file.
    """

    name: str
    media_type: str
    libmagic: str
    writer: str

    @property
    def extension(self) -> str:
        """Return the name from its first dot on, in backticks, or `(none)` if it has no dot."""
        _, dot, end = self.name.partition(".")
        return f"`{dot}{end}`" if dot else "(none)"


def cases() -> list[Case]:
    """Return the lines of the manifest."""
    lines = (HERE / "manifest.tsv").read_text(encoding="utf-8").splitlines()
    return [Case(*line.split("\t")) for line in lines if not line.startswith("#")]


def files() -> Iterator[tuple[str, bytes]]:
    """Yield names and contents of the files."""
    with tarfile.open(HERE / "corpus.tar.xz") as archive:
        for entry in archive:
            content = archive.extractfile(entry)
            assert content is not None
            yield entry.name, content.read()


def found_in(content: bytes) -> str:
    """Return the type that Wharf finds in a file."""
    return sniff(
        content[:HEAD_BYTES],
        complete=len(content) <= HEAD_BYTES,
        size=len(content),
        read_at=lambda offset, length: content[offset : offset + length],
    )


def page(found: dict[str, str]) -> str:
    """Return the page for the types found in each file."""
    by_type: dict[str, list[Case]] = defaultdict(list)
    for case in cases():
        by_type[found[case.name]].append(case)
    version = (HERE / "manifest.tsv").read_text(encoding="utf-8").splitlines()[1].rpartition(" ")[2]
    lines = [
        f"## In {len(found)} real files",
        "",
        f"`python -m tests.corpus.page` makes this table of `tests/corpus` and libmagic {version}.",
        "",
        "| type | extensions | files | type from libmagic | written by |",
        "|---|---|---|---|---|",
    ]
    lines += [_row(media_type, several) for media_type, several in sorted(by_type.items())]
    others = sorted(FILE_TYPES - by_type.keys())
    lines += [
        "",
        "## Also known",
        "",
        "Wharf also recognises these types, of which the corpus has no file:",
        ", ".join(f"`{media_type}`" for media_type in others) + ".",
    ]
    return _ABOUT.read_text(encoding="utf-8") + "\n".join(lines) + "\n"


def _row(media_type: str, several: list[Case]) -> str:
    answers = sorted({case.libmagic for case in several})
    said = ["the same" if answer == media_type else f"`{answer}`" for answer in answers]
    programs = sorted({case.writer.partition(" ")[0] for case in several})
    names = sorted({case.extension for case in several})
    cells = (f"`{media_type}`", ", ".join(names), str(len(several)), ", ".join(said))
    return "| " + " | ".join((*cells, ", ".join(programs))) + " |"


if __name__ == "__main__":
    PAGE.write_text(page({name: found_in(content) for name, content in files()}), encoding="utf-8")
