"""Comparison of all responses that tests got with the OpenAPI documents, at the end of the tests.

Several sessions can be judged together: each writes its responses into the folder that
`WHARF_ANSWERS` names, and `python -m tests.session.answers FOLDER` judges the folder. Without
`WHARF_ANSWERS` a session judges its own responses.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import pytest

from tests.servers.wharf.api_client import SEEN
from tests.servers.wharf.documented import Operations, missing

#: The operations of both documents, as the Wharf of this session serves them.
DECLARED: Operations = {}
Seen = Mapping[tuple[str, str, int], str]


def undocumented(declared: Operations, seen: Seen) -> list[str]:
    """Return each response that no document has, with a test that got it."""
    if not missing(declared, seen):
        return []
    return sorted(
        f"{line}, first seen by {test or 'no test'}"
        for answer, test in seen.items()
        for line in missing(declared, [answer])
    )


def write(folder: Path, declared: Operations, seen: Seen) -> None:
    """Write the responses of a session into the folder for `judge`."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "declared": [[*operation, about] for operation, about in declared.items()],
        "seen": [[*answer, test] for answer, test in seen.items()],
    }
    (folder / f"{uuid4().hex}.json").write_text(json.dumps(content), encoding="utf-8")


def judge(folder: Path) -> list[str]:
    """Return the faults in the responses of all sessions that wrote into the folder."""
    declared: Operations = {}
    seen: dict[tuple[str, str, int], str] = {}
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        declared.update({(method, at): about for method, at, about in content["declared"]})
        seen.update({(method, at, status): test for method, at, status, test in content["seen"]})
    if not declared or not seen:
        return [f"no session left both documents and answers in {folder}"]
    return undocumented(declared, seen)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the responses of this session into the folder that `WHARF_ANSWERS` names.

    Without `WHARF_ANSWERS`, fail the session if a response is in no document.
    """
    folder = os.environ.get("WHARF_ANSWERS")
    if folder and SEEN:
        write(Path(folder), DECLARED, SEEN)
    elif DECLARED and undocumented(DECLARED, SEEN) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the responses that no document has."""
    if os.environ.get("WHARF_ANSWERS") or not DECLARED:
        return
    if found := undocumented(DECLARED, SEEN):
        terminalreporter.section("answers that no document has")
        for line in found:
            terminalreporter.write_line(line)


def main() -> None:
    """Judge the folder named on the command line."""
    parser = argparse.ArgumentParser(
        description="Compare the answers tests saw with the documents."
    )
    parser.add_argument("folder", type=Path)
    sys.exit("\n".join(judge(parser.parse_args().folder)) or 0)


if __name__ == "__main__":
    main()
