"""`program.sh`, which starts each program of supervisord."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import wharf_native

FOLDER = Path(wharf_native.__file__).parent


def test_a_program_gets_its_words_and_writes_to_its_log(tmp_path: Path) -> None:
    """`program.sh` passes arguments on unchanged, and appends output and errors to the log file."""
    (tmp_path / "a.log").write_text("before\n")
    words = ["/bin/sh", "-c", 'printf "%s|" "$@"; echo error >&2', "-", "it's", "$HOME a", "%s"]
    subprocess.run(
        ["/bin/sh", FOLDER / "program.sh", "a", "TERM", *words],
        env={**os.environ, "WHARF_LOG": str(tmp_path)},
        check=True,
    )
    assert (tmp_path / "a.log").read_text() == "before\nit's|$HOME a|%s|error\n"


def test_nginx_says_when_it_begins(tmp_path: Path) -> None:
    """Before nginx starts, `program.sh` removes nginx's old sockets and appends a line with the
    start time to `requests.tsv`.
    """
    (tmp_path / "blobs.sock").touch()
    (tmp_path / "requests.tsv").write_text("a line\n")
    subprocess.run(
        ["/bin/sh", FOLDER / "program.sh", "nginx", "TERM", "true"],
        env={**os.environ, "WHARF_LOG": str(tmp_path), "WHARF_SOCKETS": str(tmp_path)},
        check=True,
    )
    line, began = (tmp_path / "requests.tsv").read_text().splitlines()
    said, _, since = began.partition("\t")
    assert (line, said) == ("a line", "gateway began")
    assert 0 < float(since) <= time.time()
    assert not (tmp_path / "blobs.sock").exists()
