"""The failed tests of a run that may be run again, with their errors.

`python -m tests.session.unsteady REPORT.xml` prints them. The exit status is 1 when no test may be
run again: the run was interrupted, a setup or a teardown failed, or more than three tests failed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

_MOST = 3


def unsteady(report: Path) -> list[str]:
    """Return a line with the cause for each failed test.

    Return no line if there is no report, if a setup or a teardown failed, or if more than three
    tests failed.
    """
    if not report.is_file():
        return []
    cases = list(ET.parse(report).getroot().iter("testcase"))
    if any(case.find("error") is not None for case in cases):
        return []
    found = []
    for case in cases:
        failure = case.find("failure")
        if failure is not None:
            cause = failure.get("message", "").partition("\n")[0]
            found.append(f"{case.get('classname')}::{case.get('name')}: {cause}")
    return found if len(found) <= _MOST else []


if __name__ == "__main__":
    lines = unsteady(Path(sys.argv[1]))
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.exit(not lines)
