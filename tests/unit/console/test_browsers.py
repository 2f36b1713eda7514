"""Names of browsers on the pages."""

from __future__ import annotations

import pytest

from wharf_console.web.browsers import told

_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (
            f"Mozilla/5.0 (X11; Linux x86_64) {_WEBKIT} Chrome/130.0 Safari/537.36",
            "Chrome on Linux",
        ),
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64) {_WEBKIT} Chrome/130.0 Safari/537.36 Edg/130.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1 Safari/604.1",
            "Safari on iPhone",
        ),
        (
            f"Mozilla/5.0 (Linux; Android 14) {_WEBKIT} Chrome/130.0 Mobile MicroMessenger/8.0",
            "WeChat on Android",
        ),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X) Gecko/2010 Firefox/133.0", "Firefox on Mac"),
        ("curl/8.10.1", "curl/8.10.1"),
        ("", ""),
        ("x" * 500, "x" * 160),
    ],
)
def test_browsers_are_called_as_people_call_them(user_agent: str, words: str) -> None:
    """A browser is shown by program and system, and an unknown one by its own name."""
    assert told(user_agent) == words
