"""TLS on the public port: its settings, its files, and its values in nginx's templates (ADR 67)."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from wharf_gateway import nginx_program
from wharf_gateway.tables import Setting
from wharf_gateway.terminal import CannotRunError

CERTIFICATE = Setting(
    "WHARF_TLS_CERTIFICATE",
    "",
    "",
    "A file (PEM) with the certificate of the public port, followed by the certificates of its"
    " issuers. If the gateway serves several hosts, the certificate must contain their names. "
    "With this setting and WHARF_TLS_KEY the port speaks TLS and HTTP/2. The gateway loads "
    "both files again when they change",
)
KEY = Setting(
    "WHARF_TLS_KEY",
    "",
    "",
    "A file (PEM) with the private key of WHARF_TLS_CERTIFICATE, without a password. Only its "
    "owner and group may be able to read it",
)
HSTS_SECONDS = Setting(
    "WHARF_HSTS_SECONDS",
    str(365 * 24 * 3600),
    "seconds",
    "How long browsers must use only TLS (`Strict-Transport-Security`), if the port "
    "speaks TLS. 0: browsers forget an earlier value",
    minimum=0,
    maximum=10 * 365 * 24 * 3600,
)
REDIRECT_PORT = Setting(
    "WHARF_REDIRECT_PORT",
    "",
    "port",
    "An additional port without TLS that redirects browsers to the port with TLS, for "
    "example 80. Empty: no such port",
    minimum=1,
    maximum=65535,
    words=("",),
)
TLS_SETTINGS = (CERTIFICATE, KEY, HSTS_SECONDS, REDIRECT_PORT)

# The characters that nginx reads as one word of its configuration.
_PATH = re.compile(r"/[A-Za-z0-9/._@+=,-]+")
# The file in nginx's prefix in which nginx logs bodies (wharf_gateway/bodies_under_way.py).
BODIES = "bodies.tsv"
# Since this version `http2` is a directive, and nginx warns at each start that `listen … http2` is
# deprecated.
_HTTP2_DIRECTIVE = (1, 25, 1)
_HTTPS_PORT = 443
# The template values without TLS.
_PLAIN = {
    CERTIFICATE.name: "",
    KEY.name: "",
    "WHARF_TLS": "",
    "WHARF_TLS_SERVER": "",
    "WHARF_TLS_OTHER_HOSTS": "",
    "WHARF_TLS_BODIES": BODIES,
    "WHARF_TLS_BODY_BEGINS": "",
    "WHARF_LISTEN_TLS": "",
    "WHARF_REDIRECT_SERVER": "",
    "WHARF_REDIRECT_OTHER_HOSTS": "",
}


@dataclass(frozen=True)
class Files:
    """The paths of the certificate and of its private key.

    Attributes:
        certificate: the path of the certificate.
        key: the path of the private key.
    """

    certificate: str
    key: str


def files(environ: Mapping[str, str]) -> Files | None:
    """Return the paths of the two files; `None` without TLS.

    Raises:
        CannotRunError: only one of the two is set, or a path has a character that is not allowed.
    """
    certificate, key = CERTIFICATE.read(environ), KEY.read(environ)
    if not certificate and not key:
        return None
    for setting, path in ((CERTIFICATE, certificate), (KEY, key)):
        if not path:
            raise CannotRunError(
                f"{setting.name} is not set: TLS requires {CERTIFICATE.name} and {KEY.name}"
            )
        if not _PATH.fullmatch(path):
            raise CannotRunError(
                f"{setting.name}={path!r}: allowed is an absolute path of letters, digits and any "
                "of . _ - @ + = , /"
            )
    return Files(certificate, key)


def fault(found: Files) -> str:
    """Return why nginx cannot or must not use the two files; an empty text when it can."""
    # Imported here because OpenSSL is large, and a port without TLS does not need it.
    import ssl

    for setting, path in ((CERTIFICATE, found.certificate), (KEY, found.key)):
        try:
            with open(path, "rb") as file:
                mode = os.fstat(file.fileno()).st_mode
        except OSError as error:
            return f"{setting.name}={path!r}: {error.strerror}"
        if setting is KEY and mode & stat.S_IRWXO:
            return (
                f"{KEY.name}={path!r} is open to all users (mode {stat.S_IMODE(mode):o}); run "
                f"chmod o-rwx {path}"
            )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Without this function OpenSSL would ask for a password at the terminal.
        context.load_cert_chain(found.certificate, found.key, password=lambda: b"")
    except (OSError, ValueError) as error:
        said = getattr(error, "reason", None) or error
        return (
            f"{CERTIFICATE.name}={found.certificate!r} and {KEY.name}={found.key!r} are not a "
            f"certificate and its key without a password: {said}"
        )
    return ""


def template_values(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the values for TLS in nginx's templates.

    Raises:
        CannotRunError: a setting is wrong, or the files are not a certificate and its key.
    """
    redirect_port = REDIRECT_PORT.read(environ)
    found = files(environ)
    values = {
        **_PLAIN,
        HSTS_SECONDS.name: HSTS_SECONDS.read(environ),
        "WHARF_TLS_PORT": _shown_port(environ),
        "WHARF_REDIRECT_PORT": redirect_port or "none",
    }
    if found is None:
        if redirect_port:
            raise CannotRunError(
                f"{REDIRECT_PORT.name} is set without {CERTIFICATE.name}: there is no port with "
                "TLS to which it could redirect browsers"
            )
        return values
    if error := fault(found):
        raise CannotRunError(error)
    is_directive = nginx_program.version(nginx_program.find(environ)) >= _HTTP2_DIRECTIVE
    http2 = "http2 on; " if is_directive else ""
    values[CERTIFICATE.name], values[KEY.name] = found.certificate, found.key
    values["WHARF_TLS"] = "include snippets/tls.conf;"
    values["WHARF_TLS_SERVER"] = f"{http2}include snippets/plain_http.conf;"
    values["WHARF_TLS_BODY_BEGINS"] = "include snippets/tls_body_begins.conf;"
    values["WHARF_TLS_OTHER_HOSTS"] = f"{http2}error_page 497 =421 @problem_421;"
    values["WHARF_LISTEN_TLS"] = " ssl" if is_directive else " ssl http2"
    if redirect_port:
        values["WHARF_REDIRECT_SERVER"] = "include conf.d/redirect.conf;"
        values["WHARF_REDIRECT_OTHER_HOSTS"] = "include snippets/redirect_other_hosts.conf;"
    return values


def _shown_port(environ: Mapping[str, str]) -> str:
    """Return the port of HTTPS in clients' addresses, with its colon; empty for port 443."""
    issuer = urlsplit(environ.get("WHARF_ISSUER") or "")
    port: int | str | None
    if issuer.scheme == "https":
        port = issuer.port or _HTTPS_PORT
    else:
        port = environ.get("WHARF_PORT") or "8080"
    return "" if int(port) == _HTTPS_PORT else f":{port}"
