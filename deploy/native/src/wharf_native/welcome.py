"""What a person sees when Wharf is ready: how to log in, and how to upload the first file."""

from __future__ import annotations

from wharf_gateway.run_settings import RunSettings
from wharf_gateway.terminal import log
from wharf_native.first_login import first_login
from wharf_native.places import Places

# The secret goes from the file into curl's standard input: it is neither printed here nor an
# argument, which every user of the machine could read.
_COMMANDS = (
    (
        """TOKEN=$(python3 -c 'import json; c = json.load(open("{credentials}"))["demo"]; """
        """print("user = " + c["client_id"] + ":" + c["client_secret"])' """
        "| curl -sfK - -d grant_type=client_credentials {url}/auth/oauth/token "
        """| python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')"""
    ),
    'curl -fT README.md -H "Authorization: Bearer $TOKEN" {url}/v1/files/default/README.md',
    'curl -f -H "Authorization: Bearer $TOKEN" {url}/v1/files/default/README.md',
)


def first_upload(settings: RunSettings, places: Places) -> list[str]:
    """Three commands for a shell: get a token, upload a file, get it back."""
    credentials = f"{places.data}/credentials.json"
    return [
        command.replace("{url}", settings.url).replace("{credentials}", credentials)
        for command in _COMMANDS
    ]


def welcome(settings: RunSettings, places: Places) -> None:
    """Prints where Wharf is and the first commands to try, in one piece."""
    metrics = settings.metrics_url
    lines = [
        f"ready at {settings.url} (metrics: {metrics}, logs: {places.log})",
        *first_login(settings, places),
        "",
        "wharf: upload your first file, from another terminal:",
        "",
        *first_upload(settings, places),
        "",
    ]
    log("\n".join(lines))
