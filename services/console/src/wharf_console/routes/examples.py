"""Working pages with the examples of upload tutorials, for `WHARF_CONSOLE_EXAMPLES`.

Each page has an upload ticket of the person who is logged in. In the tutorials another service
makes a ticket for its visitor (docs/how-to/upload-by-a-plain-form.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from wharf_console.api import files, links, tickets
from wharf_console.api.files import File
from wharf_console.api.tickets import Place
from wharf_console.context import AppContext
from wharf_console.web import arrivals, headers
from wharf_console.web.access import needs
from wharf_console.web.current import api
from wharf_console.web.language import gettext
from wharf_console.web.origins import here_absolute

# The place of the examples' files; every tenant has this bucket.
BUCKET, PREFIX = "default", "examples/"
_MAX_FILE_BYTES = 20_000_000
_TICKET_SECONDS = 15 * 60
# The API counts the files of a ticket only if the ticket has a limit. With the count, the next page
# can tell whether files have arrived.
_TICKET_FILES = 100
_LISTED = 24
_PICTURE_SECONDS = 60
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif")


@dataclass(frozen=True)
class Example:
    """An example; `types` are the media types that its ticket allows, empty for all."""

    title: Callable[[], str]
    about: Callable[[], str]
    types: tuple[str, ...] = ()


# The keys are the last part of the address and the name of the template.
EXAMPLES = {
    "one-file": Example(
        lambda: gettext("One file"),
        lambda: gettext("A plain form for one picture. The page comes back when it is stored."),
        PICTURES,
    ),
    "many-files": Example(
        lambda: gettext("Many files"),
        lambda: gettext("A plain form for several files: all of them are stored, or none."),
        (*PICTURES, "application/pdf", "text/plain"),
    ),
    "no-file": Example(
        lambda: gettext("No file chosen"),
        lambda: gettext("What a visitor reads who sends the form without a file."),
    ),
    "thumbnails": Example(
        lambda: gettext("Pictures under the form"),
        lambda: gettext("A plain form, and the pictures that were uploaded under it."),
        PICTURES,
    ),
    "dropzone": Example(
        lambda: gettext("Dropzone"),
        lambda: gettext("Dropzone 5.7.1 as it comes, with progress and our words for refusals."),
    ),
}


def blueprint(context: AppContext) -> Blueprint:
    """Return the blueprint with the pages; it is empty unless the setting enables the examples."""
    routes = Blueprint("examples", __name__, url_prefix="/console/examples")
    if not context.settings.console_examples:
        return routes
    policy = _policy(context.settings.content_origin)

    @routes.get("/")
    @needs("files:write")
    def overview() -> str:
        return render_template("examples/overview.html", examples=EXAMPLES)

    @routes.get("/<name>")
    @needs("files:write")
    def example(name: str) -> str:
        found = EXAMPLES.get(name)
        if found is None:
            abort(404)
        headers.replace_policy(policy)
        # The page of a refusal has a link to this page; the ticket's address is for success.
        headers.name_this_page()
        return render_template(
            f"examples/{name}.html",
            example=found,
            ticket=_ticket(name, found.types),
            bucket=BUCKET,
            prefix=PREFIX,
            pictures=_pictures() if name == "thumbnails" else (),
        )

    @routes.get("/<name>/stored")
    @needs("files:write")
    def stored(name: str) -> Response:
        # The API redirects a browser here after it has stored the form's files. The page of a
        # refusal may link here too, so ask the API whether files have arrived.
        arrived = arrivals.since_told(request.args.get("form"))
        if arrived:
            flash(gettext("It is stored."), "success")
        elif arrived is not None:
            flash(gettext("No new file has arrived."), "warning")
        return redirect(url_for("examples.example", name=name), 303)

    return routes


def _ticket(name: str, types: tuple[str, ...]) -> str:
    """Make a ticket for the page of this name; remember it to count the form's files."""
    mark = arrivals.new_mark()
    place = Place(
        bucket=BUCKET,
        prefix=PREFIX,
        max_file_bytes=_MAX_FILE_BYTES,
        allowed_types=types,
        max_files=_TICKET_FILES,
        redirect=(here_absolute(url_for("examples.stored", name=name, form=mark)),),
    )
    ticket = tickets.make(api(), place, seconds=_TICKET_SECONDS).access_token
    arrivals.watch(mark, ticket)
    return ticket


def _policy(content_origin: str) -> str:
    """Return the policy of these pages, which permits dropzone to make HTML and to embed icons."""
    pictures = f"'self' data: blob: {content_origin}".rstrip()
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {pictures}; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        f"report-uri {headers.REPORTS}"
    )


def _pictures() -> list[tuple[File, str]]:
    """Return the uploaded files, each with the address of its picture, or an empty text.

    One link to the folder, valid for a minute, serves all pictures.
    """
    found = files.listed(api(), BUCKET, prefix=PREFIX, limit=_LISTED).files
    if not any(file.media_type in PICTURES for file in found):
        return [(file, "") for file in found]
    folder = _folder_link()
    return [
        (file, folder + quote(file.key.removeprefix(PREFIX)) if file.media_type in PICTURES else "")
        for file in found
    ]


def _folder_link() -> str:
    made = links.make_for_a_page(
        api(), BUCKET, PREFIX, seconds=_PICTURE_SECONDS, disposition="inline"
    )
    return made.url
