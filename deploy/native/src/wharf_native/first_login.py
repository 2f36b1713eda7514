"""What a person sees of logging in when Wharf is ready.

`wharf-auth init` makes a first person of the tenant `demo` in a new installation, and leaves name
and password in the credentials file. Installations of before have none.
"""

from __future__ import annotations

import json

from wharf_gateway.run_settings import RunSettings
from wharf_native.places import Places

_TENANT = "demo"


def first_login(settings: RunSettings, places: Places) -> list[str]:
    """Return lines that say where and as whom to log in; none of them holds the password."""
    credentials = f"{places.data}/credentials.json"
    console = f"{settings.url}/console/"
    username = _username(credentials)
    if username is None:
        command = f"{settings.root}/.venv/bin/wharf-auth user create {_TENANT} owner"
        return [
            f"wharf: people log in at {console}; to make a first one, with a password:",
            "",
            f"WHARF_DATA={places.data} {command} --role owner --generate",
        ]
    reading = f'print(json.load(open("{credentials}"))["{_TENANT}"]["password"])'
    return [
        f"wharf: log in at {console}, tenant {_TENANT}, name {username}; the first password:",
        "",
        f"python3 -c 'import json; {reading}'",
    ]


def _username(credentials: str) -> str | None:
    """Return the name of the first person, where the file has a password of it."""
    try:
        with open(credentials, encoding="utf-8") as file:
            entry = json.load(file)[_TENANT]
        return entry["username"] if entry["password"] else None
    except (OSError, ValueError, LookupError, TypeError):
        return None
