"""What an attacker at a uwsgi socket has: files that show that they were run, and packets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.servers import uwsgi

# Every variable by which a packet makes uWSGI 2.0 do something (core/protocol.c). UWSGI_SCHEME is
# none: it names the scheme of the request.
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
# Those that name what is loaded.
LOADING = ("UWSGI_FILE", "UWSGI_MODULE", "UWSGI_SCRIPT")
# The modifiers that pyuwsgi's plugins answer: spooler, symcall, Python (requests whose path it
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
    """Has put files into a folder that the service's Python looks into."""

    folder: Path

    @property
    def mark(self) -> Path:
        """Is there as soon as one of the files was run."""
        return self.folder / "mark"

    def was_run(self) -> bool:
        """Whether a file was run since somebody asked."""
        found = self.mark.exists()
        self.mark.unlink(missing_ok=True)
        return found

    def prepare(self) -> None:
        """Writes the files."""
        source = _SOURCE.format(mark=str(self.mark))
        (self.folder / "evil.py").write_text(source)
        (self.folder / "plain.py").write_text(_PLAIN)

    def value(self, name: str) -> str:
        """The value with which a variable does the most harm."""
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
        """A request of the gateway's with more variables."""
        # uWSGI loads an application only where none is mounted, and if a variable tells it to; an
        # empty one does.
        script = {"SCRIPT_NAME": "/evil", "UWSGI_CALLABLE": "", "REQUEST_ID": "attack"}
        return [*uwsgi.head("GET", target, script, 0).items(), *added]
