"""Tools of an attacker at a uwsgi socket: packets, and files that show that they were run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.servers import uwsgi

# All variables in a packet that make uWSGI 2.0 act (core/protocol.c). UWSGI_SCHEME is not one of
# them, because it only names the scheme of the request.
ACTING = (
    "UWSGI_APPID",
    "UWSGI_CACHE_GET",
    "UWSGI_CALLABLE",
    "UWSGI_CHDIR",
    "UWSGI_FILE",
    "UWSGI_HOME",
    "UWSGI_MODULE",
    "UWSGI_POSTFILE",
    "UWSGI_PYHOME",
    "UWSGI_SCRIPT",
    "UWSGI_SETENV",
    "UWSGI_TOUCH_RELOAD",
)
# The variables that name code to load.
LOADING = ("UWSGI_FILE", "UWSGI_MODULE", "UWSGI_SCRIPT")
# The modifiers that pyuwsgi's plugins serve: spooler, symcall, Python (requests whose path it
# cuts), ping, signal, cache, rpc.
ANSWERING = (17, 18, 30, 100, 110, 111, 173)
SET_VARIABLE = "WHARF_ATTACKED"
Variables = list[tuple[str, str]]
_SOURCE = """\
from pathlib import Path

Path({mark!r}).touch()


def application(environ, start_response):
    start_response("200 OK", [])
    return [b"attacked"]
"""
_PLAIN = """\
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"plain"]
"""


@dataclass(frozen=True)
class Attacker:
    """An attacker that has put files into a folder on the Python path of the service."""

    folder: Path

    @property
    def mark(self) -> Path:
        """Return the path of the file that `evil.py` makes when it is run."""
        return self.folder / "mark"

    def was_run(self) -> bool:
        """Tell whether `evil.py` was run since the last call."""
        found = self.mark.exists()
        self.mark.unlink(missing_ok=True)
        return found

    def prepare(self) -> None:
        """Write `evil.py`, and `plain.py`, which does no harm."""
        source = _SOURCE.format(mark=str(self.mark))
        (self.folder / "evil.py").write_text(source)
        (self.folder / "plain.py").write_text(_PLAIN)

    def value(self, name: str) -> str:
        """Return the value with which a variable does the most harm."""
        folder = str(self.folder)
        return {
            "UWSGI_APPID": "/evil",
            "UWSGI_CACHE_GET": "key",
            "UWSGI_CALLABLE": "application",
            "UWSGI_CHDIR": folder,
            "UWSGI_HOME": folder,
            "UWSGI_MODULE": "evil",
            "UWSGI_PYHOME": folder,
            "UWSGI_SCRIPT": "evil",
            "UWSGI_SETENV": f"{SET_VARIABLE}=1",
        }.get(name, f"{folder}/evil.py")

    def request(self, target: str, *added: tuple[str, str]) -> Variables:
        """Return the uwsgi variables of a request to `target`, and the variables `added`."""
        # uWSGI loads an application only where none is mounted and when a variable requests it. An
        # empty value is enough.
        script = {"SCRIPT_NAME": "/evil", "UWSGI_CALLABLE": "", "REQUEST_ID": "attack"}
        return [*uwsgi.head("GET", target, script, 0).items(), *added]
