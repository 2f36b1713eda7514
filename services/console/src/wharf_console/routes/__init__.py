"""The pages, and the actions of their forms: one module with a `blueprint` for each subject.

To add a subject, add a module here: `blueprints` finds it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from flask import Blueprint

from wharf_console.context import AppContext


def blueprints(context: AppContext) -> Iterator[Blueprint]:
    """Yield the blueprints of all subjects, in the order of their names."""
    for found in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{found.name}")
        yield module.blueprint(context)
