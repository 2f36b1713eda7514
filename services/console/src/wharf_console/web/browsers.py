"""What a browser calls itself, as people call it."""

from __future__ import annotations

from wharf_console.web.language import gettext

# By what is in the header, the first one that is: most name others, too.
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
    """Return the program and the system of a `User-Agent`; one that is not known as it is."""
    program = next((name for part, name in _PROGRAMS.items() if part in user_agent), "")
    system = next((name for part, name in _SYSTEMS.items() if part in user_agent), "")
    if not (program and system):
        return user_agent[:_MOST]
    return gettext("%(program)s on %(system)s", program=program, system=system)
