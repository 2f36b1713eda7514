"""The template filters for sizes, numbers, times and names; a page calls them hundreds of times."""

from __future__ import annotations

import functools
from datetime import UTC, datetime

from babel import Locale, dates
from babel.numbers import format_decimal, get_decimal_symbol
from flask import Flask
from markupsafe import Markup, escape

from wharf_console.web.language import current, gettext

_STEP = 1000
_UNITS = ("kB", "MB", "GB", "TB", "PB")


def size(count: int) -> str:
    """Return a number of bytes in words: `17 bytes`, `1.4 MB` (powers of ten)."""
    if count < _STEP:
        return gettext("%(count)s bytes", count=count)
    value, unit = float(count), ""
    for unit in _UNITS:  # noqa: B007 -- the loop finds the unit
        value /= _STEP
        if round(value, 1) < _STEP:
            break
    digits = f"{value:.1f}".removesuffix(".0") if value < 100 else f"{value:.0f}"
    return f"{digits.replace('.', _decimal_symbol(current()))}\N{NO-BREAK SPACE}{unit}"


def number(value: int) -> str:
    """Return a whole number with the separators of the person's language."""
    return str(format_decimal(value, locale=current()))


def time(moment: datetime | str) -> Markup:
    """Return a time as `<time>` in UTC; scripts convert it to the browser's time zone."""
    at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    at = at.astimezone(UTC)
    language = current()
    shown = _pattern(language).apply(at, language)
    # Neither text has special characters of HTML: they are digits and words of CLDR.
    iso = at.isoformat(timespec="seconds").replace("+00:00", "Z")
    return Markup(f'<time datetime="{iso}" data-local="">{shown} UTC</time>')  # noqa: S704


def name(text: str) -> Markup:
    """Return a person's text isolated, so that its writing direction does not affect the page."""
    return Markup(f"<bdi>{escape(text)}</bdi>")  # noqa: S704 -- escaped


def percent(part: float) -> str:
    """Return a fraction in percent, rounded down, so that only a full quota is shown as 100 %."""
    return f"{int(part * 100)}\N{NO-BREAK SPACE}%"


@functools.cache
def _decimal_symbol(language: str) -> str:
    return get_decimal_symbol(language)


@functools.cache
def _pattern(language: str) -> dates.DateTimePattern:
    """Return the language's pattern for date and time of medium length.

    `format_datetime` would build the pattern for each time, which takes ten times as long.
    """
    locale = Locale.parse(language)
    whole = str(dates.get_datetime_format("medium", locale=locale))
    time_format = dates.get_time_format("medium", locale).pattern
    date_format = dates.get_date_format("medium", locale).pattern
    return dates.parse_pattern(whole.replace("{0}", time_format).replace("{1}", date_format))


def install(app: Flask) -> None:
    """Add the filters to templates."""
    app.jinja_env.filters.update(size=size, number=number, time=time, name=name, percent=percent)
