"""Late imports: a service does not load modules that it does not need."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

HEAVY = ("alembic", "psycopg", "psycopg_pool", "sqlalchemy")
# Each script runs only once, and prints one list of modules for each claim.
CONSOLE = """
import sys, wharf_console.app, wharf_console.bootstrap
print(*sys.modules)
"""
UPLOAD = """
import sys, pathlib, tempfile
import wharf_upload.app, wharf_upload.bootstrap, wharf_upload.notices.listener
from wharf_upload.notices.sender import open_sender
open_sender("unix:/nowhere").changed("demo")
with tempfile.TemporaryDirectory() as folder:
    wharf_upload.bootstrap.local_store(pathlib.Path(folder), durable=True)
print(*sys.modules)
import wharf_auth.app
print(*sys.modules)
import wharf_auth.openapi.guide, wharf_upload.http.openapi.guide
print(*sys.modules)
"""
OBJECT_STORE = """
import sys, wharf_upload.storage.s3.store
print(*sys.modules)
"""
SERVICES = [
    ("wharf_auth.app", "wharf_auth.bootstrap", "wharf_auth.cli"),
    ("wharf_console.app", "wharf_console.bootstrap", "wharf_console.cli"),
    ("wharf_upload.app", "wharf_upload.bootstrap", "wharf_upload.cli"),
    ("wharf_upload.processes.worker", "wharf_upload.streaming.server"),
]
EXAMPLES = {
    f"{package}.{name}"
    for package in ("wharf_auth.openapi", "wharf_upload.http.openapi")
    for name in ("guide", "examples", "samples")
}


@cache
def loaded(script: str) -> list[set[str]]:
    """Run a script in a new process, and return the modules of each line that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return [set(line.split()) for line in done.stdout.splitlines()]


def test_what_only_commands_need_is_imported_late() -> None:
    """Importing a service loads no module that only commands need. These modules take 30 MB."""
    script = "import sys\n" + "".join(
        f"import {', '.join(modules)}\nprint(*sys.modules)\n" for modules in SERVICES
    )
    stages = loaded(script)
    assert len(stages) == len(SERVICES)
    for modules, found in zip(SERVICES, stages, strict=True):
        assert set(modules) <= found
        assert set(HEAVY) & found == set(), modules


def test_a_start_brings_up_no_application(tmp_path: Path) -> None:
    """`wharf-auth init` and `wharf-upload migrate` run at each start and do not load Flask."""
    script = (
        "import sys, wharf_auth.cli, wharf_upload.cli\n"
        "wharf_auth.cli.cli.get_command(None, 'init')\n"
        "wharf_upload.cli.cli(['migrate'], standalone_mode=False)\n"
        "print(sorted({'flask', 'jinja2'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "WHARF_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
    assert (tmp_path / "upload" / "upload.db").exists()


def test_a_console_on_files_has_no_client_of_redis() -> None:
    """A console with sessions in files does not load redis, which takes 8 MB."""
    [found] = loaded(CONSOLE)
    assert "wharf_console.app" in found
    assert {"opentelemetry", "redis"} & found == set()


def test_a_service_on_one_machine_has_no_client_of_redis() -> None:
    """Upload on one machine does not load redis, because it sends hints over a unix socket."""
    found = loaded(UPLOAD)[0]
    assert "wharf_upload.notices.listener" in found
    assert "redis" not in found


def test_a_worker_with_threads_has_no_client_of_redis() -> None:
    """A worker whose own threads run its jobs loads neither Dramatiq nor redis."""
    [found] = loaded("import sys, wharf_upload.processes.worker\nprint(*sys.modules)")
    assert "wharf_upload.jobs.threads" in found
    assert {"dramatiq", "redis"} & found == set()


def test_a_console_verifies_no_token_and_counts_no_limit() -> None:
    """The console loads no library for tokens or limits, which take 13 MB."""
    heavy = {"asyncio", "cryptography", "flask_limiter", "jwt", "limits"}
    [found] = loaded(CONSOLE)
    assert "wharf_console.app" in found
    assert heavy & found == set()


def test_a_disk_needs_no_client() -> None:
    """A service with blobs on the disk loads no client of object stores."""
    found = loaded(UPLOAD)[0]
    assert "wharf_upload.storage.local" in found
    assert {"boto3", "botocore", "urllib3", "wharf_upload.storage.s3.wire"} & found == set()


def test_small_requests_need_no_boto3() -> None:
    """A process that only stores small files and signs downloads does not load boto3."""
    [found] = loaded(OBJECT_STORE)
    assert "wharf_upload.storage.s3.store" in found
    assert {"boto3", "botocore"} & found == set()


def test_examples_are_not_loaded_before_they_are_asked_for() -> None:
    """A service loads the examples of OpenAPI only when the document is requested."""
    _, services, documents = loaded(UPLOAD)
    assert EXAMPLES & services == set()
    # The modules of EXAMPLES exist, so the assertion above is not empty.
    assert documents >= EXAMPLES
