"""A certificate for this machine, and the authority that signed it, made by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.servers.daemons import program

_EXTENSIONS = """
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, DNS:*.localhost, IP:127.0.0.1
authorityKeyIdentifier = keyid
"""


class Certificate:
    """Files: the `authority` to trust, the `chain` that a server shows, and its `key`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.authority, self.chain = folder / "authority.pem", folder / "server.pem"
        self.key = folder / "server.key"
        (folder / "extensions.cnf").write_text(_EXTENSIONS)
        self._make("authority", "Authority of a test", self.authority)
        signed_by = ("-CA", str(self.authority), "-CAkey", str(folder / "authority.key"))
        self._make("server", "localhost", self.chain, *signed_by, "-CAcreateserial")

    def _make(self, name: str, subject: str, target: Path, *signed_by: str) -> None:
        request, key = self._folder / f"{name}.csr", self._folder / f"{name}.key"
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        self._openssl(
            *("req", "-new", *curve, "-subj", f"/CN={subject}"),
            *("-keyout", str(key), "-out", str(request)),
        )
        self._openssl(
            *("x509", "-req", "-in", str(request), "-out", str(target), "-days", "2"),
            *("-extfile", str(self._folder / "extensions.cnf"), "-extensions", name),
            *(signed_by or ("-signkey", str(key))),
        )

    @staticmethod
    def _openssl(*words: str) -> None:
        subprocess.run([program("openssl"), *words], check=True, capture_output=True, timeout=60)
