"""`make pages`: measure the console's pages: time to the first byte, size, and memory."""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import statistics
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path

from loadtests.pages.filling import FOLDER_FILES, fill
from tests.servers.pages.visitor import Visitor
from tests.servers.wharf.instance import Wharf, running

_FEW_FILES = 300
_ROWS = {
    "overview": "/console/",
    "list, 100 rows": "/console/b/default/?prefix=folder-000/",
    "list, a late page": "/console/b/default/?prefix=folder-{last:03}/",
    "list, folders": "/console/b/default/",
    "list, newest": "/console/b/default/?sort=newest",
    "list, by a name": "/console/b/default/?prefix=folder-{last:03}/picture-{middle:06}",
}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="make pages", description=__doc__)
    parser.add_argument("--files", type=int, default=10_000_000)
    parser.add_argument("--calls", type=int, default=200, help="of each page")
    parser.add_argument(
        "--work", default=os.environ.get("PAGES_WORK") or str(Path(tempfile.gettempdir()))
    )
    arguments = parser.parse_args()
    for files in sorted({_FEW_FILES, arguments.files}):
        work = Path(tempfile.mkdtemp(prefix="wharf-pages-", dir=arguments.work))
        _measure(work, files, arguments.calls)


def _measure(work: Path, files: int, calls: int) -> None:
    data = work / "data"
    try:
        with running(data) as wharf:
            tenant = wharf.credentials("demo")["tenant"]
        fill(data / "upload/upload.db", tenant, files)
        with running(data) as wharf:
            print(f"\n## {files:,} files\n")
            _print_pages(wharf, files, calls)
            _print_memory(wharf)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _print_pages(wharf: Wharf, files: int, calls: int) -> None:
    visitor = Visitor(wharf)
    status, _ = visitor.login()
    assert status == 303, status
    print("| page | first byte, median ms | 95 % | kB | compressed |")
    print("|---|---|---|---|---|")
    last = (files - 1) // FOLDER_FILES
    for name, path in _ROWS.items():
        target = path.format(last=last, middle=files // 100)
        costs = [_first_byte(wharf, visitor, target) for _ in range(calls)]
        seconds = sorted(cost for cost, _ in costs)
        page = costs[-1][1]
        row = (
            *(name, f"{statistics.median(seconds) * 1000:.1f}"),
            *(f"{seconds[len(seconds) * 95 // 100] * 1000:.1f}", f"{len(page) / 1000:.0f}"),
            f"{len(gzip.compress(page)) / 1000:.1f}",
        )
        print(f"| {' | '.join(row)} |", flush=True)


def _first_byte(wharf: Wharf, visitor: Visitor, target: str) -> tuple[float, bytes]:
    """Return the seconds from the request to the page's first byte, and the page."""
    connection = HTTPConnection("127.0.0.1", wharf.port, timeout=60)
    try:
        connection.connect()
        begun = time.perf_counter()
        connection.request("GET", target, headers=visitor.headers())
        answer = connection.getresponse()
        seconds = time.perf_counter() - begun
        page = answer.read()
    finally:
        connection.close()
    assert answer.status == 200, answer.status
    return seconds, page


def _print_memory(wharf: Wharf) -> None:
    print("\n| program | PSS, MB |\n|---|---|")
    total = 0.0
    for name in ("nginx", "auth", "upload", "console", "live", "images", ""):
        used = sum(map(_pss_kilobytes, wharf.processes(name))) / 1024
        total = max(total, used)
        print(f"| {name or 'all'} | {used:.1f} |")


def _pss_kilobytes(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))


if __name__ == "__main__":
    main()
