"""What a load test is told: by the environment, as everything of Wharf is."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from loadtests.load.stages import SHAPES, Thresholds


class BadSetting(Exception):
    """A setting that cannot be used; the message says what is allowed."""


@dataclass(frozen=True)
class LoadSettings:
    """`host` is a URL without a path; `users` and `seconds` replace those of the shape."""

    shape: str
    host: str
    client_id: str
    client_secret: str
    report: Path
    tenants: int
    users: int | None
    seconds: float | None
    thresholds: Thresholds


def read(environ: Mapping[str, str] = os.environ) -> LoadSettings:
    """The settings; raises `BadSetting`."""
    shape = environ.get("SHAPE") or "average"
    if shape not in SHAPES:
        raise BadSetting(f"SHAPE={shape}: choose one of {', '.join(SHAPES)}")
    data = Path(environ.get("WHARF_DATA") or "var")
    host = environ.get("HOST") or f"http://127.0.0.1:{environ.get('WHARF_PORT') or 8080}"
    parts = urlsplit(host)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
        raise BadSetting(f"HOST={host}: give a URL without a path, such as http://127.0.0.1:8080")
    client_id, secret = _credentials(
        Path(environ.get("CREDENTIALS") or data / "credentials.json").expanduser()
    )
    usual = SHAPES[shape].thresholds
    return LoadSettings(
        shape=shape,
        host=host.rstrip("/"),
        client_id=client_id,
        client_secret=secret,
        report=Path(environ.get("REPORT") or data / "load" / f"{shape}.html"),
        tenants=int(_number(environ, "WHARF_LOAD_TENANTS", 4, least=1) or 4),
        users=_whole(environ, "WHARF_LOAD_USERS"),
        seconds=_number(environ, "WHARF_LOAD_SECONDS", None, least=1),
        thresholds=Thresholds(
            failure_ratio=_number(environ, "WHARF_LOAD_FAILURE_RATIO", usual.failure_ratio) or 0.0,
            p99_milliseconds=_number(environ, "WHARF_LOAD_P99_MS", usual.p99_milliseconds),
            requests_per_second=_number(
                environ, "WHARF_LOAD_REQUESTS_PER_SECOND", usual.requests_per_second
            ),
        ),
    )


def _credentials(path: Path) -> tuple[str, str]:
    """Id and secret of an administrator (scope `tenants:admin`)."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        found = found.get("admin", found)
        return str(found["client_id"]), str(found["client_secret"])
    except OSError as error:
        raise BadSetting(
            f"{path}: {error.strerror}; start Wharf first (make run), or name the credentials of "
            "an administrator with CREDENTIALS=…/credentials.json"
        ) from None
    except (ValueError, KeyError, AttributeError, TypeError):
        raise BadSetting(
            f'{path}: needs client_id and client_secret, at the top or below "admin"'
        ) from None


def _number(
    environ: Mapping[str, str], name: str, usual: float | None, *, least: float = 0
) -> float | None:
    text = environ.get(name)
    if not text:
        return usual
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not least <= value < float("inf"):
        raise BadSetting(f"{name}={text}: give a number, {least:g} or more")
    return value


def _whole(environ: Mapping[str, str], name: str) -> int | None:
    value = _number(environ, name, None, least=1)
    if value is not None and value != int(value):
        raise BadSetting(f"{name}={environ[name]}: give a whole number")
    return None if value is None else int(value)
