"""A process that uploads until it is killed: `python -m tests.servers.load_script`.

Arguments: the data folder and the credentials, as for `upload_script`. The process writes
`sent KEY DIGEST` before each upload, and `stored KEY DIGEST` after the upload was acknowledged.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import cast

from servicekit.testing import Issuer
from tests.servers.load import Load
from tests.servers.upload import assemble, settings_for
from tests.servers.upload_script import GivenKeys

_NEVER = 1 << 30


def main(data: str, credentials: str) -> None:
    """Upload small and spooled bodies, from several threads."""
    issuer = cast(Issuer, GivenKeys(Path(credentials)))
    service = assemble(settings_for(Path(data)), issuer)

    def put(key: str, body: bytes) -> bool:
        line = f"{key} {hashlib.sha256(body).hexdigest()}\n"
        os.write(1, f"sent {line}".encode())
        stored = service.put(key, body, spooled=len(body) > 100_000).status_code == 201
        if stored:
            os.write(1, f"stored {line}".encode())
        return stored

    Load(put).run_until(_NEVER, then=lambda: None)


if __name__ == "__main__":
    main(*sys.argv[1:])
