"""What a person sees when Wharf is ready: the console, and how to upload the first file."""

from __future__ import annotations

import os
import sys

from wharf_gateway.run_settings import RunSettings
from wharf_gateway.terminal import log
from wharf_gateway.tls import CERTIFICATE
from wharf_native.places import Places

# The secret goes from the file into curl's standard input: it is neither printed here nor an
# argument, which every user of the machine could read.
_COMMANDS = (
    (
        """TOKEN=$(python3 -c 'import json; c = json.load(open("{credentials}"))["demo"]; """
        """print("user = " + c["client_id"] + ":" + c["client_secret"])' """
        "| curl -sfK - -d grant_type=client_credentials {url}/auth/oauth/token{trust} "
        """| python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')"""
    ),
    'curl -fT README.md -H "Authorization: Bearer $TOKEN" {url}/v1/files/default/README.md{trust}',
    'curl -f -H "Authorization: Bearer $TOKEN" {url}/v1/files/default/README.md{trust}',
)


def first_upload(settings: RunSettings, places: Places) -> list[str]:
    """Three commands for a shell: get a token, upload a file, get it back."""
    url, trust = settings.url, ""
    if settings.is_tls:
        # Here, not above: it is rarely needed.
        from shlex import quote

        # Under a name that the certificate is for; whoever signed that may be known to nobody.
        url = os.environ["WHARF_ISSUER"].removesuffix("/auth")
        trust = f" --cacert {quote(os.environ[CERTIFICATE.name])}"
    if settings.speaks_proxy:
        trust += " --haproxy-protocol"
    values = {"{url}": url, "{trust}": trust, "{credentials}": _credentials(places)}
    found = []
    for command in _COMMANDS:
        for name, value in values.items():
            command = command.replace(name, value)  # noqa: PLW2901
        found.append(command)
    return found


def first_login(places: Places, *, secretly: bool) -> str:
    """How to log in to the console, in words.

    Args:
        places: have the credentials.
        secretly: the words end in a log: they say where the password is, and not what it is.
    """
    person = _demo(places)
    name, password = person.get("username"), person.get("password")
    if not name or not password:
        # Here, not above: it is rarely needed.
        from shlex import quote

        return (
            "make a login for it with: "
            f"WHARF_DATA={quote(places.data)} .venv/bin/wharf-auth user create "
            f"{person.get('tenant', 'TENANT')} NAME --role owner --generate"
        )
    shown = f"is in {_credentials(places)}" if secretly else password
    return f"log in: tenant {person.get('tenant')}, name {name}, password {shown}"


def welcome(settings: RunSettings, places: Places) -> None:
    """Prints where Wharf is and the first commands to try, in one piece."""
    metrics = settings.metrics_url
    console = os.environ["WHARF_ISSUER"].removesuffix("/auth") + "/console/"
    lines = [
        f"ready at {settings.url} (metrics: {metrics}, logs: {places.log})",
        f"wharf: the console is at {console}",
        f"wharf: {first_login(places, secretly=not sys.stdout.isatty())}",
        "wharf: or upload your first file from another terminal:",
        "",
        *first_upload(settings, places),
        "",
    ]
    log("\n".join(lines))


def _credentials(places: Places) -> str:
    return f"{places.data}/credentials.json"


def _demo(places: Places) -> dict[str, str]:
    """The demo client's entry; empty when there is none."""
    # Here, not above: it is read once.
    import json

    try:
        with open(_credentials(places), encoding="utf-8") as file:
            entry = json.load(file)["demo"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    texts = entry.items() if isinstance(entry, dict) else ()
    return {name: text for name, text in texts if isinstance(text, str)}
