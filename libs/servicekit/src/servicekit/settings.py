"""Settings: each service has a frozen dataclass, which is read from the environment at startup.

The variable of a field `max_body_bytes` is `WHARF_MAX_BODY_BYTES`; the names contain the units. The
value of a secret may also be in a file, which `WHARF_…_FILE` names.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

PREFIX = "WHARF_"
T = TypeVar("T")
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


class SettingsError(ValueError):
    """A setting has no valid value; the message is one line for the operator."""


def setting(
    default: object = dataclasses.MISSING,
    *,
    doc: str,
    minimum: int | None = None,
    maximum: int | None = None,
    choices: tuple[str, ...] = (),
    secret: bool = False,
) -> Any:
    """Declare a dataclass field that is read from the environment.

    `minimum` and `maximum` are the inclusive limits of an integer. `choices` are the allowed
    strings. `secret` allows `WHARF_…_FILE`, and keeps the value out of messages and of `repr`.
    """
    metadata = {
        "doc": doc,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
        "secret": secret,
    }
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata, repr=not secret)
    return dataclasses.field(default=default, metadata=metadata, repr=not secret)


def read(cls: type[T], environ: Mapping[str, str] | None = None) -> T:
    """Create the settings `cls` from the environment.

    Raise `SettingsError`, which names the variable, its value unless it is secret, and the allowed
    values.
    """
    source = os.environ if environ is None else environ
    hints = get_type_hints(cls)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        variable = PREFIX + field.name.upper()
        text = _text(source, variable, secret=field.metadata["secret"])
        if text is None:
            if field.default is dataclasses.MISSING:
                raise SettingsError(f"{variable} is not set: {field.metadata['doc']}")
            continue
        values[field.name] = _parse(variable, text, hints[field.name], field.metadata)
    return cls(**values)


def _text(source: Mapping[str, str], variable: str, *, secret: bool) -> str | None:
    if secret and (name := source.get(variable + "_FILE")):
        try:
            return Path(name).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(
                f"{variable}_FILE={name!r} cannot be read: {error.strerror}"
            ) from error
    text = source.get(variable)
    # An empty variable counts as not set: compose files pass unset variables as empty ones.
    return text or None


def _parse(variable: str, text: str, kind: object, metadata: Mapping[str, Any]) -> object:
    shown = "(hidden)" if metadata["secret"] else repr(text)
    if kind is int:
        return _integer(variable, text, shown, metadata)
    if kind is bool:
        if text.lower() in _TRUE + _FALSE:
            return text.lower() in _TRUE
        raise SettingsError(f"{variable}={shown}: allowed are true and false")
    if kind is Path:
        return Path(text).absolute()
    if kind == tuple[str, ...]:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if metadata["choices"] and text not in metadata["choices"]:
        raise SettingsError(f"{variable}={shown}: allowed are {', '.join(metadata['choices'])}")
    return text


def _integer(variable: str, text: str, shown: str, metadata: Mapping[str, Any]) -> int:
    low, high = metadata["minimum"], metadata["maximum"]
    allowed = "a whole number"
    if low is not None and high is not None:
        allowed += f" from {low} to {high}"
    elif low is not None:
        allowed += f" of {low} or more"
    try:
        # int() alone would also accept "1_000", " 7" and digits of other scripts.
        if not text.isascii() or not text.removeprefix("-").isdigit():
            raise ValueError
        value = int(text)
        if (low is not None and value < low) or (high is not None and value > high):
            raise ValueError
    except ValueError:
        raise SettingsError(f"{variable}={shown}: allowed is {allowed}") from None
    return value


def table(cls: type) -> list[tuple[str, str, str]]:
    """Return rows (variable, default, meaning) for the documentation, in order of declaration."""
    rows = []
    for field in dataclasses.fields(cls):
        default = "(required)" if field.default is dataclasses.MISSING else str(field.default)
        rows.append((PREFIX + field.name.upper(), default, field.metadata["doc"]))
    return rows
