"""Renders nginx's configuration from templates: replaces only `${WHARF_NAME}`.

nginx's variables are `$name` and `${name}`. Wharf's names are in capitals and begin with WHARF_,
so templates need no escapes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from wharf_gateway.terminal import CannotRunError

_NAME = re.compile(r"\$\{(WHARF_[A-Z0-9_]+)\}")
_TEMPLATE = ".template"
# Files that are copied without changes; a README or a Dockerfile next to them is not copied.
_PLAIN = (".conf", ".types", ".json", ".html")


def render(text: str, values: Mapping[str, str], source: str) -> str:
    """Return the text with every `${WHARF_NAME}` replaced by its value.

    Raises:
        CannotRunError: a name has no value; the message contains the template and the name.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        try:
            return values[name]
        except KeyError:
            raise CannotRunError(f"{source}: ${{{name}}} has no value") from None

    return _NAME.sub(value, text)


def render_tree(source: str, target: str, values: Mapping[str, str]) -> list[str]:
    """Render `*.template` below `source` into `target`, with the same directories.

    Copy `*.conf`, `*.types`, `*.json` and `*.html`. Return the written paths, relative to `target`.
    """
    written = []
    for directory, _, names in sorted(os.walk(source)):
        for name in sorted(names):
            if not name.endswith((_TEMPLATE, *_PLAIN)):
                continue
            path = os.path.join(directory, name)
            with open(path, encoding="utf-8") as file:
                text = file.read()
            if name.endswith(_TEMPLATE):
                text = render(text, values, path)
            relative = os.path.relpath(path, source).removesuffix(_TEMPLATE)
            _write(os.path.join(target, relative), text)
            written.append(relative)
    return written


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
