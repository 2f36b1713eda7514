"""Services that keep failing and without which Wharf goes on (ADR 52).

Nobody listens for them meanwhile, so that the gateway answers 503 at once instead of waiting.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from kept_sockets import Kept

TRY_AGAIN_SECONDS = 60.0


class Absences:
    """Which services are absent, and when each is tried again.

    Args:
        sockets: all listening sockets; a service's is called as it is.
    """

    def __init__(self, sockets: Sequence[Kept]) -> None:
        self._sockets = {os.path.basename(one.path).removesuffix(".sock"): one for one in sockets}
        self._try_at: dict[str, float] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._try_at

    def begin(self, name: str) -> None:
        """Do without a service: whoever waits for it is let go."""
        self._try_at[name] = time.monotonic() + TRY_AGAIN_SECONDS
        self._sockets[name].stop()

    def end(self, name: str) -> None:
        """Count on it again."""
        del self._try_at[name]

    def listen(self, starting: str) -> None:
        """Listen anew where a socket's file is gone, for the one that starts and all who run."""
        for name, one in self._sockets.items():
            if name == starting or name not in self._try_at:
                one.bind_again()

    def due(self) -> list[str]:
        """Return those whose time has come; each has another minute then."""
        now = time.monotonic()
        found = [name for name, moment in self._try_at.items() if moment <= now]
        self._try_at.update(dict.fromkeys(found, now + TRY_AGAIN_SECONDS))
        return found
