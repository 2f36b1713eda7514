"""The settings of the gateway, and the values that nginx's templates get from them.

`wharf settings` prints the table `GATEWAY_SETTINGS` for the documentation.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from wharf_gateway import (
    blobstore,
    body_classes,
    connections,
    console,
    front_door,
    live,
    pictures,
    replica_door,
    tls,
    trusted_proxies,
)
from wharf_gateway.tables import Setting, read_all
from wharf_gateway.terminal import CannotRunError

GIBIBYTE = 1 << 30

AUTO = connections.AUTO
# The value of `auto`: a fraction of another setting. So these limits grow with that setting.
_PARTS = {
    "WHARF_CREDENTIAL_WRITES_PER_SECOND": ("WHARF_CREDENTIAL_REQUESTS_PER_SECOND", 5),
    "WHARF_CREDENTIAL_WRITES_WAITING": ("WHARF_CREDENTIAL_REQUESTS_BURST", 5),
    "WHARF_ADDRESS_LOGINS_PER_SECOND": ("WHARF_ADDRESS_REQUESTS_PER_SECOND", 100),
    "WHARF_ADDRESS_LOGINS_WAITING": ("WHARF_ADDRESS_REQUESTS_BURST", 20),
    "WHARF_ADDRESS_CONSOLE_PER_SECOND": ("WHARF_ADDRESS_REQUESTS_PER_SECOND", 10),
    "WHARF_ADDRESS_CONSOLE_WAITING": ("WHARF_ADDRESS_REQUESTS_BURST", 5),
}
# The divisor for the requests that may wait: nginx passes an eighth of them without a delay, so
# that a page that sends a few requests does not wait.
_AT_ONCE = 8

BODY_MIN_BYTES_PER_SECOND = Setting(
    "WHARF_BODY_MIN_BYTES_PER_SECOND",
    "500",
    "bytes per second",
    "The lowest average rate of a request body. The gateway cuts slower bodies. 0: no limit",
    minimum=0,
)
BODY_WINDOW_SECONDS = Setting(
    "WHARF_BODY_WINDOW_SECONDS",
    "30",
    "seconds",
    "The time over which the gateway computes the average rate of a body. It cuts no body for "
    "its rate before this time",
    minimum=1,
    maximum=3600,
)

GATEWAY_SETTINGS = (
    Setting(
        "WHARF_MAX_BODY_BYTES",
        str(100 * GIBIBYTE),
        "bytes",
        "The largest request body that the gateway accepts. A bucket's policy may allow less",
        minimum=1,
    ),
    Setting(
        "WHARF_SERVICE_PATIENCE_SECONDS",
        "60",
        "seconds",
        "How long a request or link may wait until the upload service has answered the "
        "gateway's question about it. The answer takes longer than usual while the service is "
        "replaced",
        minimum=1,
        maximum=3600,
    ),
    Setting(
        "WHARF_ADDRESS_REQUESTS_PER_SECOND",
        "1000",
        "requests per second",
        "The average rate of requests of one client address. Requests above this rate get 429",
        minimum=1,
    ),
    Setting(
        "WHARF_ADDRESS_REQUESTS_BURST",
        "2000",
        "requests",
        "The number of requests by which one client address may exceed "
        "WHARF_ADDRESS_REQUESTS_PER_SECOND for a short time",
        minimum=0,
    ),
    Setting(
        "WHARF_CREDENTIAL_REQUESTS_PER_SECOND",
        "1000",
        "requests per second",
        "The average rate of requests of one credential, from all addresses. Requests above "
        "this rate get 429. The limits of a tenant are separate settings",
        minimum=1,
    ),
    Setting(
        "WHARF_CREDENTIAL_REQUESTS_BURST",
        "2000",
        "requests",
        "The number of requests by which one credential may exceed "
        "WHARF_CREDENTIAL_REQUESTS_PER_SECOND for a short time",
        minimum=0,
    ),
    Setting(
        "WHARF_CREDENTIAL_WRITES_PER_SECOND",
        AUTO,
        "requests per second",
        "The rate of one credential's requests that change data. Requests above this rate wait"
        " at the gateway, so that they do not delay other credentials. `auto`: a fifth of "
        "WHARF_CREDENTIAL_REQUESTS_PER_SECOND",
        minimum=1,
        words=(AUTO,),
    ),
    Setting(
        "WHARF_CREDENTIAL_WRITES_WAITING",
        AUTO,
        "requests",
        "The number of one credential's requests that change data and may wait. Further "
        "requests get 429. `auto`: a fifth of WHARF_CREDENTIAL_REQUESTS_BURST",
        minimum=1,
        words=(AUTO,),
    ),
    Setting(
        "WHARF_ADDRESS_LOGINS_PER_SECOND",
        AUTO,
        "requests per second",
        "The rate of one client address's logins by secret or password, introspections and "
        "revocations. Requests above this rate wait. `auto`: a hundredth of "
        "WHARF_ADDRESS_REQUESTS_PER_SECOND",
        minimum=1,
        words=(AUTO,),
    ),
    Setting(
        "WHARF_ADDRESS_LOGINS_WAITING",
        AUTO,
        "requests",
        "The number of one client address's logins, introspections and revocations that may "
        "wait. Further requests get 429. `auto`: a twentieth of WHARF_ADDRESS_REQUESTS_BURST",
        minimum=1,
        words=(AUTO,),
    ),
    Setting(
        "WHARF_ADDRESS_CONSOLE_PER_SECOND",
        AUTO,
        "requests per second",
        "The rate of one client address's requests for pages of the console. Requests above "
        "this rate wait. `auto`: a tenth of WHARF_ADDRESS_REQUESTS_PER_SECOND",
        minimum=1,
        words=(AUTO,),
    ),
    Setting(
        "WHARF_ADDRESS_CONSOLE_WAITING",
        AUTO,
        "requests",
        "The number of one client address's requests for pages of the console that may wait. "
        "Further requests get 429. `auto`: a fifth of WHARF_ADDRESS_REQUESTS_BURST",
        minimum=1,
        words=(AUTO,),
    ),
    *connections.CONNECTION_SETTINGS,
    Setting(
        "WHARF_BODY_TIMEOUT_SECONDS",
        "20",
        "seconds",
        "The longest pause between two reads of a request body",
        minimum=1,
        maximum=3600,
    ),
    BODY_MIN_BYTES_PER_SECOND,
    BODY_WINDOW_SECONDS,
    connections.NGINX_WORKERS,
    pictures.PICTURES_CACHE_BYTES,
    *blobstore.BLOB_SETTINGS,
    replica_door.REPLICA_DOOR,
    *tls.TLS_SETTINGS,
    Setting(
        "WHARF_HOSTS",
        "",
        "",
        "The host names that requests may use, separated by commas. Empty: every name. "
        "Loopback names are always allowed",
    ),
    Setting(
        "WHARF_CONTENT_ORIGIN",
        "",
        "",
        "A separate origin for signed links and public files, for example "
        "`https://files.example.net`. Its name must lead to this gateway and must not be one "
        "of `WHARF_HOSTS`. Empty: links and public files are on the main host",
    ),
)

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
# More characters than the DNS has: a leading dot or star is a wildcard of nginx.
_HOST_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.*_[]:")

_ORIGIN = re.compile(r"https?://((?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z0-9-]+)(?::[0-9]{1,5})?")
# A placeholder in configuration files that nginx does not include.
_NO_HOST = "content.invalid"

_MIME_TYPES = ("/etc/nginx/mime.types", "/usr/local/etc/nginx/mime.types")


def server_name(hosts: str) -> str:
    """Return the `server_name` line for a comma-separated list of host names.

    Raises:
        CannotRunError: a name has a character that no host name has. In nginx's configuration it
            could end the directive and begin another.
    """
    names = [name.strip().lower() for name in hosts.split(",") if name.strip()]
    for name in names:
        if not _HOST_CHARACTERS.issuperset(name):
            raise CannotRunError(f"WHARF_HOSTS={hosts!r}: {name!r} is not a host name")
    if not names:
        return "server_name _;"
    return f"server_name {' '.join(dict.fromkeys((*LOOPBACK_NAMES, *names)))};"


def refuse_other_hosts(hosts: str) -> str:
    """Return the line that includes the server for all other hosts; empty when all are allowed.

    That server responds with 421: this server does not serve the requested host.
    """
    return "include conf.d/other_hosts.conf;" if hosts.strip(" ,") else ""


def content_host(origin: str, hosts: str) -> str:
    """Return the host name of the origin for user content; an empty text when there is none.

    Raises:
        CannotRunError: the text is not an origin, or its host also serves everything else.
    """
    if not origin:
        return ""
    found = _ORIGIN.fullmatch(origin)
    if found is None:
        raise CannotRunError(
            f"WHARF_CONTENT_ORIGIN={origin!r}: allowed are only scheme, host and port, in lower "
            "case, such as https://files.example.net"
        )
    host = found.group(1)
    if host in (*LOOPBACK_NAMES, *(name.strip().lower() for name in hosts.split(","))):
        raise CannotRunError(
            f"WHARF_CONTENT_ORIGIN={origin!r}: {host} also serves everything else; user content is "
            "isolated only under another host name"
        )
    return host


def mime_types(templates: str) -> str:
    """Return the file of media types by extension: Wharf's file, or else the system's."""
    for path in (os.path.join(templates, "mime.types"), *_MIME_TYPES):
        if os.path.exists(path):
            return path
    return os.devnull


def gateway_values(environ: Mapping[str, str], *, templates: str, as_root: bool) -> dict[str, str]:
    """Return the values of the settings for nginx's templates."""
    values = read_all(GATEWAY_SETTINGS, environ)
    for name, (whole, part) in _PARTS.items():
        if values[name] == AUTO:
            values[name] = str(max(1, int(values[whole]) // part))
        if name.endswith("_WAITING"):
            values[f"{name}_AT_ONCE"] = str(max(1, int(values[name]) // _AT_ONCE))
    hosts = values["WHARF_HOSTS"]
    values["WHARF_HOSTS"] = server_name(hosts)
    values["WHARF_REFUSE_OTHER_HOSTS"] = refuse_other_hosts(hosts)
    values["WHARF_DEFAULT_SERVER"] = "" if values["WHARF_REFUSE_OTHER_HOSTS"] else " default_server"
    host = content_host(values["WHARF_CONTENT_ORIGIN"], hosts)
    values["WHARF_CONTENT_HOST"] = host or _NO_HOST
    values["WHARF_CONTENT_SERVER"] = "include conf.d/content_origin.conf;" if host else ""
    values["WHARF_SHARED_FILES"] = "content_elsewhere" if host else "shared_files"
    # When root starts nginx, its workers would run as the user `nobody`, and the services could not
    # read the spool.
    values["WHARF_NGINX_USER"] = "user root;" if as_root else ""
    values["WHARF_MIME_TYPES"] = mime_types(templates)
    values.update(connections.template_values(environ))
    values.update(body_classes.template_values(int(values["WHARF_MAX_BODY_BYTES"])))
    values.update(blobstore.template_values(blobstore.blob_store(environ)))
    # These are the values for a gateway without these parts; the callers replace them. The native
    # runner has no front door, and a container may have none of these parts.
    values.update(front_door.template_values() | console.template_values())
    values.update(pictures.template_values())
    values.update(live.template_values())
    # The native runner has a replica door too: replicas on one machine have different ports.
    replica_door.require_door(environ)
    values.update(replica_door.values(environ))
    values.update(trusted_proxies.template_values(environ))
    values.update(tls.template_values(environ))
    return values
