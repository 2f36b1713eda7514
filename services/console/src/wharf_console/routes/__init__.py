"""Pages and what their forms do: one module with a `blueprint` for each subject.

To add a subject: a module here. `blueprints` finds it, so that a new page changes no list.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from flask import Blueprint

from wharf_console.context import AppContext


def blueprints(context: AppContext) -> Iterator[Blueprint]:
    """Return the blueprints of all subjects, by name."""
    for found in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{found.name}")
        yield module.blueprint(context)
