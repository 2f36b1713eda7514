"""Translates a browser's `User-Agent` to names that people know."""

from __future__ import annotations

from wharf_console.web.language import gettext

# The names of programs by a part of the header; the first match counts, because most browsers also
# name other browsers.
_PROGRAMS = {
    "MicroMessenger/": "WeChat",
    "Edg/": "Edge",
    "EdgA/": "Edge",
    "OPR/": "Opera",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
_SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "HarmonyOS": "HarmonyOS",
    "Windows": "Windows",
    "Macintosh": "Mac",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}
_MOST = 160


def told(user_agent: str) -> str:
    """Return the program and system of a `User-Agent`; of an unknown text, its beginning."""
    program = next((name for part, name in _PROGRAMS.items() if part in user_agent), "")
    system = next((name for part, name in _SYSTEMS.items() if part in user_agent), "")
    if not (program and system):
        return user_agent[:_MOST]
    return gettext("%(program)s on %(system)s", program=program, system=system)
