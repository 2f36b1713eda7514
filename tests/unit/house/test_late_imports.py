"""A service on SQLite has no driver of another database in memory, and nothing that migrates."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("alembic", "psycopg", "psycopg_pool", "sqlalchemy")


@pytest.mark.parametrize(
    "modules",
    [
        ("wharf_auth.app", "wharf_auth.bootstrap", "wharf_auth.cli"),
        ("wharf_console.app", "wharf_console.bootstrap", "wharf_console.cli"),
        ("wharf_upload.app", "wharf_upload.bootstrap", "wharf_upload.cli"),
        ("wharf_upload.processes.worker", "wharf_upload.streaming.server"),
    ],
)
def test_what_only_commands_need_is_imported_late(modules: tuple[str, ...]) -> None:
    """Importing a service imports none of these: together they are 30 MB."""
    script = f"import sys, {', '.join(modules)}\nprint(sorted(set({HEAVY}) & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_console_on_files_has_no_client_of_redis() -> None:
    """It is 8 MB, and brings OpenTelemetry where that is installed."""
    script = (
        "import sys, wharf_console.app, wharf_console.bootstrap\n"
        "print(sorted({'opentelemetry', 'redis'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_service_on_one_machine_has_no_client_of_redis() -> None:
    """Upload tells over a unix socket there; what it counts is in uWSGI's memory."""
    script = (
        "import sys, wharf_upload.app, wharf_upload.bootstrap, wharf_upload.notices.listener\n"
        "from wharf_upload.notices.sender import open_sender\n"
        "open_sender('unix:/nowhere').changed('demo')\n"
        "print(sorted({'redis'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_console_verifies_no_token_and_counts_no_limit() -> None:
    """What auth and upload need for both is 13 MB, and the gateway limits the console's pages."""
    heavy = {"asyncio", "cryptography", "flask_limiter", "jwt", "limits"}
    script = (
        "import sys, wharf_console.app, wharf_console.bootstrap\n"
        f"print(sorted({heavy} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
