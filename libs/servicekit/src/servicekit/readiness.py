"""Says what `/readyz` answers, whatever protocol carries the answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping

log = logging.getLogger(__name__)
# Raises, or returns an explanation of what is wrong, or `None` when all is well.
Check = Callable[[], str | None]


def state(
    checks: Mapping[str, Check], helpful: Mapping[str, Check], left_out: Collection[str]
) -> dict[str, object]:
    """Return the body of the answer; only one with `down` is a 503.

    Without a part of `checks` the service is not ready, without one of `helpful` it is ready and
    degraded. The parts of `checks` that are `left_out` are not asked.
    """
    down = _failures({name: check for name, check in checks.items() if name not in left_out})
    if down:
        return {"status": "unavailable", "down": down}
    missing = _failures(helpful)
    return {"status": "degraded", "degraded": missing} if missing else {"status": "ready"}


def _failures(checks: Mapping[str, Check]) -> dict[str, str]:
    """Return the parts that are down, with a word on why; never an address or a path."""
    down = {}
    for name, check in checks.items():
        try:
            error = check()
        except Exception as failure:  # noqa: BLE001 -- whatever it is, the part is not ready
            log.warning("readiness check %s failed: %s", name, failure)
            error = type(failure).__name__
        if error:
            down[name] = error
    return down
