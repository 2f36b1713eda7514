"""Generates the documentation pages that are made from declarations in the code.

python docs/generate.py               writes docs/settings.md and docs/problems.md
python docs/generate.py --check       prints the stale pages; exits with 1 if there are any
python docs/generate.py --html DIR    writes a page for each problem; the gateway serves it at
                                      the address that is the problem's type
"""

from __future__ import annotations

import argparse
import dataclasses
import html
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from servicekit.problems import BASE, COMMON, Catalogue, Problem, reason
from wharf_auth.problems import CATALOGUE as AUTH
from wharf_gateway.tables import Setting
from wharf_upload.problems import UPLOAD

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
CATALOGUES: tuple[tuple[str, Catalogue], ...] = (
    ("Everywhere", COMMON),
    ("Of the upload service", UPLOAD),
    ("Of the auth service", AUTH),
)
_MADE = "`make docs` generates this page from the code. Change the text there.\n"
_UNITS = (
    ("_BYTES", "bytes"),
    ("_SECONDS", "seconds"),
    ("_REQUESTS_PER_MINUTE", "requests per minute"),
    ("_PER_MINUTE", "per minute"),
    ("_FILES", "files"),
)
# In services/*/uwsgi.ini: "if-not-env = NAME", and the default of the option that follows it.
_DEFAULT_IN_INI = re.compile(r"^if-not-env = (WHARF_\w+)\n([\w-]+) = (.+)$", re.MULTILINE)
_SERVICES = ("auth", "console", "upload")
# The value in the gateway's tables that means "no upper limit".
LARGEST = 2**63 - 1
_BINARY_UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"))

_ABOUT_SETTINGS = """\
All settings are environment variables. Each process reads them once, at startup. An empty variable
counts as unset. If a value is wrong, the process prints one line with the variable, the value and
the allowed values, and exits. Where the table says "`_FILE` too", the value may come from a file:
`WHARF_..._FILE` names the file.

`make run` passes its whole environment to all processes. A variable that two services read is
therefore set once for both. `make run` itself sets `WHARF_SPOOL`, `WHARF_SOCKETS`,
`WHARF_CONSOLE_DOOR` and `WHARF_JWKS_URL`. It sets `WHARF_ISSUER` if that is unset, and
`WHARF_CONSOLE_EXAMPLES` to `true` if that is unset.
"""
_ABOUT_CONTAINERS = """\
The gateway's container also has the settings of `make run` and of the gateway. The image sets
`WHARF_DATA=/data`, and `WHARF_HOST` and `WHARF_METRICS_HOST` to `0.0.0.0`. Without `WHARF_INSTANCE`
the name of the instance is the host name.
"""
_ABOUT_PROCESSES = """\
uWSGI reads these settings from `services/*/uwsgi.ini`. Other options of uWSGI are fixed there, each
with its reason.
"""
_ABOUT_PROBLEMS = """\
A refusal is a problem document (RFC 9457, `application/problem+json`) with `type`, `title`,
`status`, `detail` and `request_id`. The tour lists
[the exceptions](tour.md#refusals-without-a-problem-document). `type` is the stable name:
`/problems/` and the slug. The gateway serves a page at that address. Compare `type`, and never
`title` or `detail`, because their words may change.

If the request prefers HTML to JSON (`Accept`, as a browser sends it when a person follows a link or
submits a form), the response is a small HTML page. It has the same status and header fields, and a
link back to the page from which the person came. JSON is the default. The response is JSON also for
`*/*`, for the value that Java's own client sends, and for an `Accept` of more than 1000 characters.
For types with parameters and for qualities with more than one digit, nginx may decide differently
from the services.

The token endpoint (`POST /auth/oauth/token`) returns the errors of its own standard, RFC 6749, with
`error` and `error_description`. For the problems that it shares with all other routes, it adds
these two members to the problem document.
"""


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |\n" for row in lines
    )


def code(text: str) -> str:
    """Return the text as Markdown code; an empty text stays empty."""
    return f"`{text}`" if text else ""


# ---- settings ----


def settings_page() -> str:
    """Return the text of docs/settings.md."""
    from wharf_auth.settings import Settings as AuthSettings
    from wharf_console.settings import Settings as ConsoleSettings
    from wharf_gateway.container import CONTAINER_SETTINGS
    from wharf_gateway.run_settings import RUN_SETTINGS
    from wharf_gateway.settings import GATEWAY_SETTINGS
    from wharf_images.settings import Settings as ImagesSettings
    from wharf_upload.settings import Settings as UploadSettings

    def native(settings: tuple[Setting, ...]) -> str:
        return table(
            ("variable", "default", "unit", "meaning", "allowed"),
            (
                (code(s.name), _default(s.default, s.unit), s.unit, s.meaning, _allowed_native(s))
                for s in settings
            ),
        )

    return "\n".join(
        (
            "# Settings\n",
            _MADE,
            _ABOUT_SETTINGS,
            "## `make run`\n",
            native(RUN_SETTINGS),
            "## Gateway\n",
            native(GATEWAY_SETTINGS),
            "## Gateway in a container\n",
            _ABOUT_CONTAINERS,
            native(CONTAINER_SETTINGS),
            "## Upload service and worker\n",
            service_table(UploadSettings),
            "## Auth service\n",
            service_table(AuthSettings),
            "## Console\n",
            service_table(ConsoleSettings),
            "## Small pictures\n",
            service_table(ImagesSettings),
            "## Processes\n",
            _ABOUT_PROCESSES,
            table(("variable", "default", "service", "option of uWSGI"), _process_rows()),
        )
    )


def service_table(settings: type) -> str:
    """Return the table of a settings class."""
    from servicekit.settings import table as rows_of

    fields = dataclasses.fields(settings)
    return table(
        ("variable", "default", "unit", "meaning", "allowed"),
        (
            (
                code(name),
                _default(default, _unit(name)),
                _unit(name),
                meaning.rstrip("."),
                _allowed(field),
            )
            for (name, default, meaning), field in zip(rows_of(settings), fields, strict=True)
        ),
    )


def _default(text: str, unit: str) -> str:
    if text == "(required)":
        return "required"
    # A default path is relative to the folder in which the service is started.
    shown = code(text.removeprefix(f"{Path.cwd()}/"))
    if unit == "bytes":
        for size, name in _BINARY_UNITS:
            if int(text) % size == 0:
                return f"{shown} ({int(text) // size} {name})"
    return shown


def _unit(name: str) -> str:
    return next((unit for ending, unit in _UNITS if name.endswith(ending)), "")


def _allowed(field: dataclasses.Field[object]) -> str:
    choices, low, high = (field.metadata[name] for name in ("choices", "minimum", "maximum"))
    if field.metadata["secret"]:
        return "`_FILE` too"
    return ", ".join(code(choice) for choice in choices) or _range(low, high)


def _allowed_native(setting: Setting) -> str:
    high = None if setting.maximum == LARGEST else setting.maximum
    words = [code(word) for word in setting.words if word]
    return ", ".join(filter(None, [*words, _range(setting.minimum, high)]))


def _range(low: int | None, high: int | None) -> str:
    if low is None:
        return ""
    return f"{low} or more" if high is None else f"{low} to {high}"


def _process_rows() -> Iterator[tuple[str, ...]]:
    for service in _SERVICES:
        ini = (ROOT / f"services/{service}/uwsgi.ini").read_text(encoding="utf-8")
        for name, option, default in _DEFAULT_IN_INI.findall(ini):
            # A setting that only switches an option on or off has no default value.
            if f"\nif-env = {name}\n" not in ini or f"{option} = $({name})" in ini:
                yield code(name), code(default), service, code(option)


# ---- problems ----


def problems_page() -> str:
    """Return the text of docs/problems.md."""
    parts = [
        "# Problems\n",
        _MADE,
        _ABOUT_PROBLEMS,
    ]
    for heading, catalogue in CATALOGUES:
        parts += [
            f"## {heading}\n",
            table(
                ("status", "slug", "title", "meaning and remedy"),
                (
                    (str(problem.status), code(problem.slug), problem.title, problem.description)
                    for problem in _by_status(catalogue.by_slug.values())
                ),
            ),
        ]
    return "\n".join(parts)


def _by_status(problems: Iterable[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: problem.status)


def problem_pages() -> dict[str, str]:
    """Return HTML by file name: a page for each problem, and `index.html`.

    The pages have no style, because the gateway's Content-Security-Policy allows none.
    """
    found = _by_status(p for _, catalogue in CATALOGUES for p in catalogue.by_slug.values())
    pages = {f"{problem.slug}.html": _problem_html(problem) for problem in found}
    items = "".join(
        f'<li>{p.status} <a href="{p.type}">{html.escape(p.title, quote=False)}</a></li>\n'
        for p in found
    )
    pages["index.html"] = _html("Problems", f"<h1>Problems</h1>\n<ul>\n{items}</ul>\n")
    return pages


def _problem_html(problem: Problem) -> str:
    # Descriptions are plain text with Markdown `code`.
    meaning = re.sub(
        r"`([^`]*)`", r"<code>\1</code>", html.escape(problem.description, quote=False)
    )
    title = html.escape(problem.title, quote=False)
    return _html(
        title,
        f"<h1>{title}</h1>\n"
        f"<p>{meaning}</p>\n"
        f"<p>Type <code>{problem.type}</code>, HTTP status {reason(problem.status)}.</p>\n"
        "<p>In the problem document, <code>detail</code> describes this refusal. "
        "With <code>request_id</code> the operator finds the request in the logs.</p>\n"
        f'<p><a href="{BASE}">All problems</a></p>\n',
    )


def _html(title: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{title} - Wharf</title>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )


# ---- command line ----


def write(folder: Path, pages: dict[str, str]) -> None:
    """Write the files into a folder; create the folder if it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")


def stale(folder: Path, pages: dict[str, str]) -> list[str]:
    """Return the names of the files that are missing or differ."""
    paths = {name: folder / name for name in pages}
    return [
        name
        for name, path in paths.items()
        if not path.exists() or path.read_text(encoding="utf-8") != pages[name]
    ]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--check", action="store_true", help="only print the stale pages")
    either.add_argument("--html", type=Path, metavar="DIR", help="write the problem pages there")
    arguments = parser.parse_args()
    if arguments.html is not None:
        write(arguments.html, problem_pages())
        return
    pages = {"settings.md": settings_page(), "problems.md": problems_page()}
    if not arguments.check:
        write(DOCS, pages)
    elif old := stale(DOCS, pages):
        sys.exit(f"stale: {', '.join(f'docs/{name}' for name in old)}; run `make docs`")


if __name__ == "__main__":
    main()
