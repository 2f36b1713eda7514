"""The content of the response of `/readyz`, for any server that sends it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping

log = logging.getLogger(__name__)
# A function that returns `None` if the part works. If not, it returns an explanation or raises.
Check = Callable[[], str | None]


def state(
    checks: Mapping[str, Check], helpful: Mapping[str, Check], left_out: Collection[str]
) -> dict[str, object]:
    """Return the body of the response; a body with `down` needs the status 503.

    If a check of `checks` fails, the service is not ready. If only a check of `helpful` fails, the
    service is ready and degraded. Checks of `checks` with names in `left_out` do not run.
    """
    down = _failures({name: check for name, check in checks.items() if name not in left_out})
    if down:
        return {"status": "unavailable", "down": down}
    missing = _failures(helpful)
    return {"status": "degraded", "degraded": missing} if missing else {"status": "ready"}


def _failures(checks: Mapping[str, Check]) -> dict[str, str]:
    """Return the failed parts, each with a reason that contains no address and no path."""
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
