"""nginx configuration from templates: `${WHARF_NAME}` is replaced, nothing else is.

nginx has variables of its own, `$name` and `${name}`; only names in capitals that begin with
WHARF_ are Wharf's, so that neither has to be escaped.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from wharf_gateway.terminal import CannotRunError

_NAME = re.compile(r"\$\{(WHARF_[A-Z0-9_]+)\}")
_TEMPLATE = ".template"
# What nginx includes as it is; a README or a Dockerfile beside them is not.
_PLAIN = (".conf", ".types", ".json", ".html")


def render(text: str, values: Mapping[str, str], source: str) -> str:
    """The text with every `${WHARF_NAME}` replaced.

    Raises:
        CannotRunError: a name has no value; names the template and the name.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        try:
            return values[name]
        except KeyError:
            raise CannotRunError(f"{source}: nothing is known of ${{{name}}}") from None

    return _NAME.sub(value, text)


def render_tree(source: str, target: str, values: Mapping[str, str]) -> list[str]:
    """Renders `*.template` below `source` into `target`, keeping the directories.

    Plain `*.conf` and the like are copied. Returns the paths written, relative to `target`.
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
