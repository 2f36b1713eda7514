"""The load test of Wharf for the `locust` command: `locust -f loadtests/locustfile.py --host URL`.

docs/load-tests.md describes the users, the shapes and the options.
"""

from __future__ import annotations

import sys
from pathlib import Path

# The command works in every folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from loadtests.load import hooks
from loadtests.load.shapes import Average, Smoke, Soak, Stress
from loadtests.load.transfers import Archive, Mobile
from loadtests.load.users import Browser, Noisy, Reader, Service

__all__ = [
    "Archive",
    "Average",
    "Browser",
    "Mobile",
    "Noisy",
    "Reader",
    "Service",
    "Smoke",
    "Soak",
    "Stress",
]

hooks.install()
