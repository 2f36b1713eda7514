"""Processes that store files on an object store, which tests kill.

`python -m tests.servers.upload_on_s3_script` reads a JSON list of arguments of `send` from each
line of its input. For each line it forks a process, writes the process id, and later writes the
exit code, or minus the signal that killed the process. A fork is fast, while importing is slow.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from servicekit.testing import Issuer
from tests.servers.upload import assemble, settings_for
from tests.servers.upload_on_s3 import WAYS
from tests.servers.upload_script import GivenKeys
from wharf_upload import bootstrap
from wharf_upload.storage.s3 import uploading


class Senders:
    """A client of this script, which starts one process after the other."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._input, self._output = process.stdin, process.stdout

    def start(self, *arguments: str) -> int:
        """Start a process and return its id."""
        self._input.write(json.dumps(arguments) + "\n")
        self._input.flush()
        return int(self._output.readline())

    def ended(self) -> int:
        """Wait for the end of the process. Return its exit code, or minus the signal's number."""
        return int(self._output.readline())


@contextmanager
def senders() -> Iterator[Senders]:
    """Yield the process that forks the senders."""
    command = [sys.executable, "-m", "tests.servers.upload_on_s3_script"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Senders(process)


def send(data: str, credentials: str, url: str, keys: str, way: str, end: str = "") -> None:
    """Send files in one of the `WAYS`. If `end` is `dies`, kill this process when the files
    are stored, before a client gets the response.
    """
    settings = settings_for(Path(data), durability="relaxed", blob_url=url, blob_key_file=keys)
    issuer = cast(Issuer, GivenKeys(Path(credentials)))
    service = assemble(settings, issuer, bootstrap.open_store(settings))
    assert WAYS[way].send(service).status_code == 201
    if end == "dies":
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Start the requested processes."""
    import boto3  # noqa: F401 -- import it once, not in each fork

    uploading.ONE_PUT_BYTES, uploading._PART_BYTES = 6 << 20, 5 << 20
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            os.dup2(2, 1)
            send(*json.loads(line))
            os._exit(0)
        sys.stdout.write(f"{process}\n")
        sys.stdout.flush()
        _, status = os.waitpid(process, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
