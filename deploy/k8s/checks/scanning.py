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
    """A result of checkov: a line for each finding, the number of passed rules, the exceptions."""

    findings: list[str]
    passed: int
    exceptions: list[str]


def _line(one: dict[str, Any]) -> str:
    return f"{one['check_id']} {one['resource']}: {one['check_name']}"


def scan(*files: Path) -> Scan:
    """Scan files of rendered manifests in one run, because most of the time is checkov's start."""
    # Without these settings checkov would request texts and version news from its maker's server.
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
