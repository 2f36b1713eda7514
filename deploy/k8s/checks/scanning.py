"""Scans manifests with checkov's rules for Kubernetes.

An exception is an annotation of the manifest, `checkov.io/skip<N>: RULE=reason`.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from deploy.k8s.checks.rendering import CHECKERS


class Scan(NamedTuple):
    """What checkov said: a line for each finding, how many rules passed, and the exceptions."""

    findings: list[str]
    passed: int
    exceptions: list[str]


def _line(one: dict[str, Any]) -> str:
    return f"{one['check_id']} {one['resource']}: {one['check_name']}"


def scan(*files: Path) -> Scan:
    """Scans files of rendered manifests; all in one run, since a start takes most of the time."""
    # Without the network: it would ask its maker's service for texts, and for news of versions.
    words = ("--framework", "kubernetes", "--output", "json", "--skip-download")
    done = subprocess.run(
        [CHECKERS / "checkov", *words, "--soft-fail", "--file", *map(str, files)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "BC_SKIP_MAPPING": "TRUE", "CHECKOV_RUN_SCA_PACKAGE_SCAN_V2": "false"},
    )
    report = json.loads(done.stdout)
    results = report["results"]
    return Scan(
        [_line(one) for one in results["failed_checks"]],
        report["summary"]["passed"],
        [_line(one) for one in results.get("skipped_checks", ())],
    )
