"""Makes nginx load the certificate again when its files have changed and are valid.

Tools replace the two files one after the other, or together with a symbolic link. nginx loads them
only when they are a certificate and its key. Until then it uses the files that it has read before.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import os
import re
import threading
import time
from collections.abc import Callable

from wharf_gateway import tls
from wharf_gateway.metrics_file import Metric, MetricsFile
from wharf_gateway.terminal import log

# The seconds between two checks of the files.
LOOK_SECONDS = 2.0
# For this long, two files that do not match may be an incomplete change.
PATIENCE_SECONDS = 15.0
EXPIRES = Metric(
    "wharf_tls_certificate_expires_timestamp_seconds",
    "gauge",
    "When the certificate of the public port expires, in seconds since 1970.",
)
REFUSED = Metric(
    "wharf_tls_certificate_refused",
    "gauge",
    "1 while the files of the certificate have changed and cannot be used.",
)
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----")
# Tags of ASN.1: the optional version of a certificate, and one of the two formats of a time.
_VERSION, _UTC_TIME = 0xA0, 0x17

_Marks = tuple[tuple[int, ...], ...]


class CertificateWatch:
    """The background thread that checks the files of the certificate.

    Args:
        files: the certificate and its key; nginx is about to read them.
        reload: makes nginx read the files again; returns whether it did.
        metrics: receives the expiry time of the certificate, and whether it was refused.
    """

    def __init__(self, files: tls.Files, reload: Callable[[], bool], metrics: MetricsFile) -> None:
        self._files, self._reload, self._metrics = files, reload, metrics
        self._read, self._bad_since, self._said = _marks(files), 0.0, ""
        self._again = 0.0
        self._metrics.update({EXPIRES: expires(files.certificate), REFUSED: 0})

    def start(self) -> None:
        """Start the background thread."""
        threading.Thread(target=self._watch, name="tls-watch", daemon=True).start()

    def look(self, now: float) -> None:
        """Check the files once; if they have changed and are valid, make nginx load them.

        `now` is monotonic time in seconds.
        """
        found = _marks(self._files)
        if found == self._read:
            self._settle()
            return
        if error := tls.fault(self._files):
            self._refuse(error, now)
        elif found != _marks(self._files) or now < self._again:
            # The files are changing at this moment, or nginx has just failed to reload.
            return
        elif self._reload():
            log(f"{tls.CERTIFICATE.name}: the certificate has changed; nginx loads it")
            self._read = found
            self._settle()
            self._metrics.update({EXPIRES: expires(self._files.certificate)})
        else:
            self._again = now + PATIENCE_SECONDS
            self._refuse("nginx did not reload; the reason is above", now)

    def _settle(self) -> None:
        if self._said:
            self._metrics.update({REFUSED: 0})
        self._bad_since, self._said = 0.0, ""

    def _refuse(self, error: str, now: float) -> None:
        self._bad_since = self._bad_since or now
        if now - self._bad_since >= PATIENCE_SECONDS and error != self._said:
            log(f"the new certificate is not loaded, nginx keeps the previous one: {error}")
            self._said = error
            self._metrics.update({REFUSED: 1})

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            try:
                self.look(time.monotonic())
            except Exception as error:  # noqa: BLE001 -- the next check may succeed
                log(f"the check of the certificate failed: {error!r}")


def _marks(files: tls.Files) -> _Marks:
    """Return numbers that change when the files change."""
    found: list[tuple[int, ...]] = []
    for path in (files.certificate, files.key):
        try:
            status = os.stat(path)
        except OSError as error:
            found.append((error.errno or 0,))
        else:
            found.append((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(found)


def expires(path: str) -> float:
    """Return when the first certificate of a file expires, in seconds since 1970; 0 on failure.

    Python's ssl module returns this only for certificates of authorities. So this function reads
    the fixed place in the structure (RFC 5280 section 4.1).
    """
    try:
        with open(path, "rb") as file:
            match = _PEM.search(file.read())
        if match is None:
            return 0
        _, inner, _ = _element(base64.b64decode(match.group(1)))
        _, inner, _ = _element(inner)
        tag, _, after = _element(inner)
        if tag == _VERSION:
            _, _, after = _element(after)
        for _ in ("algorithm", "issuer"):
            _, _, after = _element(after)
        _, validity, _ = _element(after)
        _, _, after = _element(validity)
        tag, text, _ = _element(after)
        form = "%y%m%d%H%M%SZ" if tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
        return calendar.timegm(time.strptime(text.decode("ascii"), form))
    except (OSError, ValueError, IndexError, binascii.Error):
        return 0


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """Return the tag and content of the first element of DER data, and the data after it."""
    tag, length, begin = data[0], data[1], 2
    if length & 0x80:
        begin += length & 0x7F
        length = int.from_bytes(data[2:begin], "big")
    return tag, data[begin : begin + length], data[begin + length :]
