"""Filters and functions of templates: sizes, times, names of files."""

from __future__ import annotations

from datetime import UTC, datetime

import flask_babel
from babel.numbers import format_decimal
from flask import Flask
from markupsafe import Markup

from wharf_console.web.language import current, gettext

_STEP = 1000
_UNITS = ("kB", "MB", "GB", "TB", "PB")


def size(count: int) -> str:
    """Return a number of bytes for people: `17 bytes`, `1.4 MB` (powers of ten)."""
    if count < _STEP:
        return gettext("%(count)s bytes", count=format_decimal(count, locale=current()))
    value, unit = float(count), ""
    for unit in _UNITS:  # noqa: B007 -- the last one is wanted
        value /= _STEP
        if round(value, 1) < _STEP:
            break
    pattern = "#,##0.#" if value < 100 else "#,##0"
    return f"{format_decimal(value, pattern, locale=current())}\N{NO-BREAK SPACE}{unit}"


def number(value: int) -> str:
    """Return a whole number with the separators of the language."""
    return str(format_decimal(value, locale=current()))


def time(moment: datetime | str) -> Markup:
    """Return a time as `<time>`, in UTC; scripts put it into the browser's zone."""
    at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    at = at.astimezone(UTC)
    shown = flask_babel.format_datetime(at.replace(tzinfo=None), "medium")
    return Markup('<time datetime="{}" data-local="">{} UTC</time>').format(
        at.isoformat(timespec="seconds").replace("+00:00", "Z"), shown
    )


def name(text: str) -> Markup:
    """Return a name that people chose, whose letters must not turn the page's around them."""
    return Markup("<bdi>{}</bdi>").format(text)


def percent(part: float) -> str:
    """Return a part of 1 as whole percents, downwards: 100 % is only what is full."""
    return f"{int(part * 100)}\N{NO-BREAK SPACE}%"


def install(app: Flask) -> None:
    """Give templates the filters `size`, `number`, `time`, `name` and `percent`."""
    app.jinja_env.filters.update(size=size, number=number, time=time, name=name, percent=percent)
