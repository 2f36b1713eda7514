"""The options that the locustfile adds to locust's command line, and the values of the options."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from loadtests.load.stages import SHAPES, USUAL, Plan, Thresholds

_Number = TypeVar("_Number", int, float)


class BadSetting(argparse.ArgumentTypeError):
    """A setting with a value that is not allowed; the message says what is allowed."""


@dataclass(frozen=True)
class RunSettings:
    """The number of quiet tenants of a run, and its thresholds."""

    tenants: int
    thresholds: Thresholds


def add_arguments(parser: Any, **_: object) -> None:
    """Add the options (`events.init_command_line_parser`).

    The web page shows the options that a person may change there, but not the option for the file
    with the administrator's secret.
    """
    parser.add_argument(
        "--shape",
        choices=sorted(SHAPES),
        env_var="WHARF_LOAD_SHAPE",
        include_in_web_ui=False,
        help="The users over time. Without a shape, --users and --spawn-rate apply.",
    )
    parser.add_argument(
        "--credentials",
        metavar="<file>",
        env_var="WHARF_LOAD_CREDENTIALS",
        include_in_web_ui=False,
        help="JSON file with client_id and client_secret of an administrator. "
        "Default: $WHARF_DATA/credentials.json",
    )
    for option, variable, usual, text in (
        ("--tenants", "TENANTS", 4, "Number of quiet tenants"),
        ("--failure-ratio", "FAILURE_RATIO", None, "Largest part of requests that may fail"),
        ("--p99-ms", "P99_MS", None, "Largest p99 of small requests in milliseconds"),
        ("--requests-per-second", "REQUESTS_PER_SECOND", None, "Least rate of requests"),
    ):
        parser.add_argument(
            option,
            metavar="<number>",
            type=number if usual is None else whole_number,
            default=usual,
            env_var=f"WHARF_LOAD_{variable}",
            help=text,
        )
    # Users get this many seconds to finish their request when a run ends.
    parser.set_defaults(stop_timeout=10.0)


def run_settings(options: argparse.Namespace, plan: Plan | None) -> RunSettings:
    """Return the settings of one run; raise `BadSetting`.

    The web page may have replaced values of the command line, some of them by texts.
    """
    usual = plan.thresholds if plan else USUAL
    ratio = number(options.failure_ratio)
    p99 = number(options.p99_ms)
    rate = number(options.requests_per_second)
    return RunSettings(
        whole_number(options.tenants) or 4,
        Thresholds(
            usual.failure_ratio if ratio is None else ratio,
            usual.p99_milliseconds if p99 is None else p99,
            usual.requests_per_second if rate is None else rate,
        ),
    )


def scale(
    options: argparse.Namespace, environ: Mapping[str, str] = os.environ
) -> tuple[int | None, float | None]:
    """Return the largest number of users of a shape and its seconds; raise `BadSetting`.

    `--users` and `--run-time` come first, then `WHARF_LOAD_USERS` and `WHARF_LOAD_SECONDS`.
    """
    users = options.num_users or _named("WHARF_LOAD_USERS", environ, whole_number)
    seconds = options.run_time or _named("WHARF_LOAD_SECONDS", environ, positive)
    return users, seconds


def host(given: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """Return the URL of the Wharf; raise `BadSetting`. The default is the Wharf of `make run`."""
    url = given or f"http://127.0.0.1:{environ.get('WHARF_PORT') or 8080}"
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
        raise BadSetting(f"host {url}: give a URL without a path, such as http://127.0.0.1:8080")
    return url.rstrip("/")


def credentials_file(given: str | None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the path of the administrator's credentials."""
    data = Path(environ.get("WHARF_DATA") or "var")
    return Path(given or data / "credentials.json").expanduser()


def credentials(path: Path) -> tuple[str, str]:
    """Return id and secret of an administrator (scope `tenants:admin`); raise `BadSetting`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        found = found.get("admin", found)
        return str(found["client_id"]), str(found["client_secret"])
    except OSError as error:
        raise BadSetting(
            f"{path}: {error.strerror}; start Wharf first (make run), or name the credentials of "
            "an administrator with --credentials …/credentials.json"
        ) from None
    except (ValueError, KeyError, AttributeError, TypeError):
        raise BadSetting(
            f'{path}: needs client_id and client_secret, at the top or below "admin"'
        ) from None


def number(text: object, least: float = 0.0) -> float | None:
    """Return a number that is at least `least`, `None` for an empty text; raise `BadSetting`."""
    if text is None or text == "":
        return None
    try:
        value = float(str(text))
    except ValueError:
        value = -1.0
    if not least <= value < float("inf"):
        raise BadSetting(f"{text}: give a number, {least:g} or more")
    return value


def positive(text: object) -> float | None:
    """Return a number that is at least 1, `None` for an empty text; raise `BadSetting`."""
    return number(text, 1.0)


def whole_number(text: object) -> int | None:
    """Return a whole number that is at least 1, `None` for an empty text; raise `BadSetting`."""
    value = number(text, 1.0)
    if value is not None and value != int(value):
        raise BadSetting(f"{text}: give a whole number")
    return None if value is None else int(value)


def _named(
    name: str, environ: Mapping[str, str], parse: Callable[[object], _Number | None]
) -> _Number | None:
    try:
        return parse(environ.get(name))
    except BadSetting as error:
        raise BadSetting(f"{name}={error}") from None
