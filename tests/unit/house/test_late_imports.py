"""What a service does not need at once, or not at all, is not in its memory."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("alembic", "psycopg", "psycopg_pool", "sqlalchemy")
IMPORTS = """
import sys
import wharf_auth.app, wharf_upload.app
examples = {
    f"{package}.{name}"
    for package in ("wharf_auth.openapi", "wharf_upload.http.openapi")
    for name in ("guide", "examples", "samples")
}
print(sorted(examples & sys.modules.keys()))
import wharf_auth.openapi.guide, wharf_upload.http.openapi.guide
print(sorted(examples - sys.modules.keys()))
"""


SERVICES = [
    ("wharf_auth.app", "wharf_auth.bootstrap", "wharf_auth.cli"),
    ("wharf_console.app", "wharf_console.bootstrap", "wharf_console.cli"),
    ("wharf_upload.app", "wharf_upload.bootstrap", "wharf_upload.cli"),
    ("wharf_upload.processes.worker", "wharf_upload.streaming.server"),
]


def test_what_only_commands_need_is_imported_late() -> None:
    """Importing a service imports none of these: together they are 30 MB."""
    script = "import sys\n" + "".join(
        f"import {', '.join(modules)}\nprint({modules[0]!r}, set({HEAVY}) & sys.modules.keys())\n"
        for modules in SERVICES
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "".join(f"{modules[0]} set()\n" for modules in SERVICES)


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


def test_a_disk_needs_no_client() -> None:
    """A service with its blobs on the disk loads nothing of what speaks to object stores."""
    code = (
        "import sys, tempfile, pathlib; from wharf_upload import bootstrap, app;"
        "bootstrap.local_store(pathlib.Path(tempfile.mkdtemp()), durable=True);"
        "print([name for name in ('boto3', 'botocore', 'urllib3', 'wharf_upload.storage.s3.wire')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_small_requests_need_no_boto3() -> None:
    """A process that only stores small files and signs downloads does not load boto3."""
    code = (
        "import sys; import wharf_upload.storage.s3.store;"
        "print([name for name in ('boto3', 'botocore') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_examples_are_not_loaded_before_they_are_asked_for() -> None:
    """A worker that nobody asks for the document has no examples in its memory."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True
    )
    # The second list says that the first one asked for modules that exist.
    assert done.stdout == "[]\n[]\n"
