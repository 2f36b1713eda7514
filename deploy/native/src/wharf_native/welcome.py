"""The lines for a person when Wharf is ready: the console, and how to upload the first file."""

from __future__ import annotations

import os
import sys

from wharf_gateway.run_settings import RunSettings
from wharf_gateway.terminal import log
from wharf_gateway.tls import CERTIFICATE
from wharf_native.places import Places

# The commands pass the secret from the file to curl's standard input. It is not printed here, and
# it is not an argument, which every user of the machine could read.
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
    """Return three shell commands: get a token, upload a file, download it."""
    url, trust = settings.url, ""
    if settings.is_tls:
        # Imported here because it is rarely needed.
        from shlex import quote

        # The URL has a name of the certificate. curl may not know the signer of the certificate.
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
    """Return a sentence about how to log in to the console.

    Args:
        places: the places with the file of credentials.
        secretly: whether the sentence goes to a log. A sentence for a log names the file with the
            password, and not the password.
    """
    person = _demo(places)
    name, password = person.get("username"), person.get("password")
    if not name or not password:
        # Imported here because it is rarely needed.
        from shlex import quote

        return (
            "create a login for the console with: "
            f"WHARF_DATA={quote(places.data)} .venv/bin/wharf-auth user create "
            f"{person.get('tenant', 'TENANT')} NAME --role owner --generate"
        )
    shown = f"is in {_credentials(places)}" if secretly else password
    return f"log in: tenant {person.get('tenant')}, name {name}, password {shown}"


def welcome(settings: RunSettings, places: Places) -> None:
    """Print Wharf's addresses and the first commands to try, in one write."""
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
    """Return the demo client's entry in the credentials; empty when it does not exist."""
    # Imported here because it is used only once.
    import json

    try:
        with open(_credentials(places), encoding="utf-8") as file:
            entry = json.load(file)["demo"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    texts = entry.items() if isinstance(entry, dict) else ()
    return {name: text for name, text in texts if isinstance(text, str)}
