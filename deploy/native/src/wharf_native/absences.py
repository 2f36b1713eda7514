"""Optional services that keep failing; Wharf runs without them (ADR 52).

While a service is absent, no process listens on its socket, so that the gateway responds with 503
immediately.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from kept_sockets import Kept

TRY_AGAIN_SECONDS = 60.0


class Absences:
    """The absent services, and the time at which each is tried again.

    Args:
        sockets: all listening sockets; the name of a socket is that of its service.
    """

    def __init__(self, sockets: Sequence[Kept]) -> None:
        self._sockets = {os.path.basename(one.path).removesuffix(".sock"): one for one in sockets}
        self._try_at: dict[str, float] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._try_at

    def begin(self, name: str) -> None:
        """Mark a service as absent and stop listening; waiting connections are closed."""
        self._try_at[name] = time.monotonic() + TRY_AGAIN_SECONDS
        self._sockets[name].stop()

    def end(self, name: str) -> None:
        """Mark a service as present again."""
        del self._try_at[name]

    def listen(self, starting: str) -> None:
        """Listen again on sockets with a missing file, for all services that are not absent.

        `starting` names a service that starts now; listen for it too.
        """
        for name, one in self._sockets.items():
            if name == starting or name not in self._try_at:
                one.bind_again()

    def due(self) -> list[str]:
        """Return the services to try now, and set their next try to one minute from now."""
        now = time.monotonic()
        found = [name for name, moment in self._try_at.items() if moment <= now]
        self._try_at.update(dict.fromkeys(found, now + TRY_AGAIN_SECONDS))
        return found
