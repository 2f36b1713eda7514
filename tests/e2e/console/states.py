"""Every page of the console in every state, for the walk: each new page needs an entry here.

A state has a name, the address of its page, and a selector of an element that shows that the state
is reached. `who` is the person (`world.py` lists people; "" is a visitor). `reach` performs the
steps of the person. `around` makes the service fail.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.e2e.console.inspection import BUDGET
from tests.servers.pages.looks import BY_SYSTEM, DEFAULT, LOOKS, WITH_SCRIPTS, Look
from tests.servers.pages.stage import Stage
from tests.servers.pages.world import LONG, PNG


def _nothing(_: Stage) -> None:
    """Do nothing: the address of the page is enough to reach the state."""


def _all_is_well(_: Stage) -> AbstractContextManager[None]:
    return contextlib.nullcontext()


@dataclass(frozen=True)
class State:
    """A state of a page; `weight` is its budget in bytes.

    `complaint` is the expected error in the browser's console, if a request of a script fails.
    """

    name: str
    path: str
    shows: str
    who: str = "owner"
    reach: Callable[[Stage], None] = _nothing
    around: Callable[[Stage], AbstractContextManager[None]] = _all_is_well
    looks: tuple[Look, ...] = tuple(LOOKS)
    weight: int = BUDGET
    complaint: str = ""

    def __str__(self) -> str:
        """Return the name of a test."""
        return self.name


# ---- steps to reach states ----

_FORM = "main form[method=post]"
_SEND = f"{_FORM} button[type=submit], {_FORM} button:not([type])"


def _is_refused(stage: Stage) -> None:
    for name, text in {"tenant": "busy", "username": "owner", "password": "wrong"}.items():
        stage.type(f"[name={name}]", text)
    stage.press(_SEND)


def _is_incomplete(stage: Stage) -> None:
    # The browser itself would refuse to send the form.
    stage.browser.execute_script(f"document.querySelector('{_FORM}').noValidate = true")
    stage.type("[name=tenant]", "busy")
    stage.press(_SEND)


def _logs_out(stage: Stage) -> None:
    stage.log_in("passing")
    stage.press("header .who form button")


def _loses_session(stage: Stage) -> None:
    stage.log_in("passing")
    stage.forget_tokens()
    stage.open("/console/b/many/")


def _logs_out_elsewhere(stage: Stage) -> None:
    stage.log_in("passing")
    stage.open("/console/b/many/")
    # Another tab would send this request.
    stage.browser.run(
        "const csrf_token = document.querySelector('[data-live]').dataset.liveCsrf;"
        "const options = {method: 'POST', redirect: 'manual'};"
        "options.body = new URLSearchParams({csrf_token});"
        "await fetch('/console/logout', options)"
    )


def _asks_to_delete(stage: Stage) -> None:
    stage.press("input[name=key]")
    stage.press(_DELETE)


def _deletes(stage: Stage) -> None:
    stage.world.api.stored("passing/a.txt")
    stage.open("/console/b/default/?prefix=passing/")
    _asks_to_delete(stage)
    stage.press("[data-dialog] button.danger, dialog button.danger")


_DELETE = f"{_FORM} button.danger"
# A confirmation is in a dialog if the page has scripts, and otherwise on a separate page.
_ASKED = ":is(dialog[open], [data-dialog])"


def _has_an_old_form(stage: Stage) -> None:
    # After a new login in another tab the form would have an old CSRF token.
    stage.browser.execute_script(
        f"document.querySelector('{_FORM} [name=csrf_token]').value = 'of-another-session'"
    )
    _is_refused(stage)


def _cannot_log_in(stage: Stage) -> None:
    with stage.api_away():
        _is_refused(stage)
        stage.one("main [role=alert]")


def _is_suspended(stage: Stage) -> None:
    stage.become("suspended")
    stage.world.suspend("suspended")
    stage.awaited(lambda: _opened(stage, "/console/"))


def _opened(stage: Stage, path: str) -> bool:
    stage.open(path)
    return bool(stage.all("main [role=alert]"))


def _uploads(stage: Stage) -> None:
    stage.choose("main input[type=file]", stage.file(f"{LONG}.png", PNG))
    stage.press("#try ~ form button")
    stage.one("main [role=status]")


def _drops(stage: Stage) -> None:
    stage.choose(".dz-hidden-input", stage.file("dot.png", PNG))
    stage.one(".dz-success")
    stage.choose(".dz-hidden-input", stage.file(f"{LONG}.bin", bytes(20_000_001)))
    stage.one(".dz-error")


def _pressing(selector: str) -> Callable[[Stage], None]:
    """Return the step of pressing an element."""
    return lambda stage: stage.press(selector)


def _typing(*presses: str, **fields: str) -> Callable[[Stage], None]:
    """Return the step of filling in the page's form and pressing elements (default: its button)."""

    def reach(stage: Stage) -> None:
        # The browser itself would refuse to send an incomplete form.
        script = "document.querySelectorAll('main form').forEach(one => { one.noValidate = true })"
        stage.browser.execute_script(script)
        for name, text in fields.items():
            stage.type(f"main [name={name}]", text.replace("NEW", secrets.token_hex(6)))
        for selector in presses or (_SEND,):
            stage.press(selector)

    return reach


def _selecting(button: str) -> Callable[[Stage], None]:
    """Return the step of ticking the first file of a list and pressing a button below the list."""

    def reach(stage: Stage) -> None:
        stage.press("input[name=key]")
        stage.press(button)

    return reach


def _is_too_late(stage: Stage) -> None:
    # Another client replaces the file that the page shows.
    assert stage.world.api.put("passing/late.txt", b"first").status == 201
    stage.open("/console/b/default/f/passing/late.txt")
    assert stage.world.api.put("passing/late.txt", b"second").status in {200, 201}
    stage.press("main button.danger")
    stage.press(f"{_ASKED} .danger")
    stage.one("main [role=alert]")
    assert stage.world.api.delete("passing/late.txt").status == 204


def _imports(*lines: str, sends: bool = False) -> Callable[[Stage], None]:
    """Return the step of choosing a file of members and, if `sends` is true, of adding them."""

    def reach(stage: Stage) -> None:
        names = "\n".join(lines).replace("NEW", secrets.token_hex(6))
        content = f"username,display_name,role\n{names}\n".encode()
        stage.choose("main input[type=file]", stage.file("people.csv", content))
        stage.press(_SEND)
        if sends:
            stage.press("main .actions form button")

    return reach


def _sends_a_wrong_file(stage: Stage) -> None:
    stage.choose(".drop-zone input[name=files]", stage.file("words.txt", b"some words\n"))
    if stage.look.scripts:
        stage.one(".tray [data-state=failed]")
    else:
        stage.press(".drop-zone button[type=submit]")


def _away(stage: Stage) -> AbstractContextManager[None]:
    return stage.api_away()


_ALSO_BY_SYSTEM = (*LOOKS, BY_SYSTEM)
_WITH_SCRIPTS = tuple(WITH_SCRIPTS)
# axe takes long for these pages, and Redoc has only one theme and one language.
_OF_REDOC = (
    DEFAULT,
    Look(scripts=True, width=360, theme="dark", language="zh_Hans"),
    Look(scripts=False, width=360, theme="light", language="zh_Hans"),
)
# Other states contain the same parts, so two different looks are enough.
_OPPOSITES = (DEFAULT, Look(scripts=False, width=360, theme="dark", language="zh_Hans"))
_REDOC_BYTES = 600_000
_EXAMPLE = "/console/examples/"

STATES = (
    State("login", "/console/login", "[name=password]", "", looks=_ALSO_BY_SYSTEM),
    State("login-refused", "/console/login", ".message.error", "", _is_refused),
    State("login-incomplete", "/console/login", "small.error", "", _is_incomplete),
    State("login-plain-http", "http://wharf.example:{port}/console/login", "main pre", ""),
    # The page may request its live channel during the logout.
    State("logged-out", "/console/login", ".message.success", "", _logs_out,
          complaint="/console/live-token"),
    State("session-ended", "/console/login", "[name=password]", "", _loses_session),
    State("overview", "/console/", "#events ~ div table", looks=_ALSO_BY_SYSTEM),
    State("overview-first-steps", "/console/", ".empty ol", "beginner"),
    State("overview-viewer", "/console/", "#buckets ~ div table", "viewer"),
    State("files", "/console/b/default/", "#files a.folder"),
    State("files-in-a-folder", "/console/b/default/?prefix=reports/2026/", "#files th.keep"),
    State("files-many", "/console/b/many/", "a[rel=next]"),
    State("files-next-page", "/console/b/many/", "nav.pages a:not([rel])", reach=lambda stage: (
        stage.press("a[rel=next]")
    )),
    State("files-empty", "/console/b/none/", ".empty"),
    State("files-no-match", "/console/b/many/?prefix=none", "#files > p a"),
    State("files-public", "/console/b/open/", ".badge"),
    State("files-viewer", "/console/b/default/", "#files table", "viewer"),
    State("files-after-a-logout-elsewhere", "/console/b/many/", "[data-live-login]", "",
          _logs_out_elsewhere, looks=_WITH_SCRIPTS[:2], complaint="a status of 401"),
    State("delete-question", "/console/b/many/", "[data-dialog] .danger, dialog .danger",
          reach=_asks_to_delete),
    State("deleted", "/console/b/default/", ".message.success", "editor", _deletes),
    State("not-found", "/console/b/nothing/", "main [role=alert]"),
    State("no-such-page", "/console/nothing", "main [role=alert]"),
    State("not-allowed", _EXAMPLE, "main [role=alert]", "viewer"),
    State("old-form", "/console/login", "main [role=alert]", "", _has_an_old_form),
    State("suspended", "/console/login", "main [role=alert]", "", _is_suspended),
    State("api-away", "/console/b/many/", "main [role=button]", around=_away),
    State("api-away-after-a-form", "/console/login", "main [role=alert]", "", _cannot_log_in),
    # Files.
    State("file", "/console/b/default/f/{planted}", "dl.facts"),
    State("file-of-a-viewer", "/console/b/default/f/{planted}", "dl.facts", "viewer"),
    State("file-picture", "/console/b/open/f/dot.png", ".preview img"),
    State("file-text", "/console/b/many/f/000.txt", ".preview iframe"),
    State("file-over-the-list", "/console/b/many/", "dialog[open] dl.facts",
          reach=_pressing("a[data-preview]"), looks=_WITH_SCRIPTS),
    State("file-gone", "/console/b/many/f/none.txt", "main [role=alert]"),
    State("files-grid", "/console/b/default/", "ul.grid",
          reach=_pressing("form[action$='/view'] button")),
    State("files-newest", "/console/b/many/?sort=newest", "#files table"),
    State("file-rename", "/console/b/default/rename/{planted}", "[name=name]", "editor"),
    State("file-rename-refused", "/console/b/default/rename/{planted}", "main .error", "editor",
          _typing(name="a/../b")),
    State("file-describe", "/console/b/default/describe/{planted}", "[name=filename]", "editor"),
    State("file-replace", "/console/b/default/replace/{planted}", "[type=file]", "editor"),
    State("file-move", "/console/b/many/", f"{_ASKED} [name=to_folder]", "editor",
          _selecting("button[formaction$='/move']")),
    State("file-links", "/console/b/many/", f"{_ASKED} [name=seconds]", "viewer",
          _selecting("button[data-needs-selection]:not([formaction])")),
    State("file-changed-meanwhile", "/console/", "main [role=alert] ~ div table", "editor",
          _is_too_late),
    # Sharing.
    State("upload", "/console/b/many/upload", ".drop-zone", "editor"),
    State("upload-refused", "/console/drop/{ticket}", ".tray [data-state=failed]", "",
          _sends_a_wrong_file, looks=_WITH_SCRIPTS, complaint="415"),
    State("links", "/console/links", "#made ~ .table table"),
    State("links-refused", "/console/links", "main .error", "viewer", _typing(target="")),
    State("link", "/console/links?bucket=many&key=000.txt", "#address", "viewer", _typing()),
    State("link-end", "/console/links", f"{_ASKED} .danger", looks=_OPPOSITES,
          reach=_pressing("#made ~ .table button")),
    State("links-revoke", "/console/links/revoke", "[data-dialog] .danger"),
    State("tickets", "/console/tickets", "main [role=button]", "editor"),
    State("ticket-new", "/console/tickets/new", "[name=prefix]", "editor"),
    State("ticket-refused", "/console/tickets/new", "main .error", "editor",
          _typing("summary", _SEND, max_files="-1")),
    State("ticket", "/console/tickets/new", ".qr", "editor", _typing(prefix="inbox")),
    State("guest", "/console/drop/{ticket}", ".drop-zone", ""),
    State("guest-too-late", "/console/drop/{old_ticket}", "main [role=alert]", ""),
    State("guest-broken", "/console/drop/broken", "main [role=alert]", ""),
    State("guest-sent", "/console/drop/sent", "main [role=status]", ""),
    State("uploads", "/console/uploads", "#uploads table"),
    State("uploads-none", "/console/uploads", "#uploads .empty", "editor"),
    State("upload-cancel", "/console/uploads", f"{_ASKED} .danger",
          reach=_pressing("#uploads button")),
    State("activity", "/console/activity", "main table"),
    State("activity-none", "/console/activity?kind=file.expired", "main .empty, main p"),
    # Owners.
    State("bucket-new", "/console/buckets/new", "[name=name]"),
    State("bucket-refused", "/console/buckets/new", "main .error",
          reach=_typing(name="No!", types="x")),
    State("bucket-public", "/console/buckets/new", f"{_ASKED} .danger",
          reach=_typing("[name=public]", _SEND, name="public-one")),
    State("bucket-settings", "/console/b/open/settings", "[name=types]"),
    State("bucket-delete", "/console/b/none/settings/delete", "[data-dialog] .danger"),
    State("members", "/console/members", "main table"),
    State("member", "/console/members/{member_id}", "#access"),
    State("member-oneself", "/console/members/{owner_id}", "main dl"),
    State("member-new", "/console/members/new", "[name=username]"),
    State("member-refused", "/console/members/new", "main .error", reach=_typing(username="a b")),
    State("member-password", "/console/members/new", "#new-password",
          reach=_typing(username="new-NEW")),
    State("member-new-password", "/console/members/{member_id}/password", "[data-dialog] .danger"),
    State("member-delete", "/console/members/{member_id}/delete", "[data-dialog] .danger"),
    State("import", "/console/members/import", "[type=file]"),
    State("import-without-file", "/console/members/import", "main .error", reach=_typing()),
    State("import-preview", "/console/members/import", "main .actions form",
          reach=_imports("a-NEW,Ada,editor", "b c,Wrong,editor", "d-NEW,Dan,king")),
    State("import-result", "/console/members/import", "main table code",
          reach=_imports("a-NEW,Ada,editor", sends=True)),
    State("clients", "/console/clients", "main table"),
    State("clients-none", "/console/clients", ".empty", "beginner"),
    State("client", "/console/clients/{client_id}", "#secrets"),
    State("client-new", "/console/clients/new", "[name=name]"),
    State("client-refused", "/console/clients/new", "main .error", reach=_typing(name="")),
    State("client-secret", "/console/clients/new", "#client-secret",
          reach=_typing("[name=scopes]", _SEND, name="robot NEW")),
    State("client-disable", "/console/clients/{client_id}/disable", "[data-dialog] .danger"),
    # Grants.
    State("groups", "/console/groups", "main table", looks=(DEFAULT,)),
    State("group", "/console/groups/{group_id}", "#members ~ div table", looks=_OPPOSITES),
    State("group-new", "/console/groups/new?preset=folders", ".places", looks=_OPPOSITES),
    State("group-refused", "/console/groups/{group_id}/change", ".places .error",
          reach=_typing(bucket="No!"), looks=_OPPOSITES),
    State("member-reach", "/console/members/{limited_id}/reach", ".places", looks=_OPPOSITES),
    State("files-of-one-folder", "/console/b/default/", "#places", "limited", looks=_OPPOSITES),
    # Webhooks.
    State("webhooks", "/console/webhooks", "main table"),
    State("webhooks-none", "/console/webhooks", ".empty", "beginner", looks=_OPPOSITES),
    State("webhook", "/console/webhooks/{hook_id}", "#log ~ div table"),
    State("webhook-new", "/console/webhooks/new", "[name=url]"),
    State("webhook-refused", "/console/webhooks/new", "main .error",
          reach=_typing(url="http://10.0.0.1/")),
    State("webhook-change", "/console/webhooks/{hook_id}/change", "[name=url]", looks=_OPPOSITES),
    State("webhook-secret", "/console/webhooks/{hook_id}/rotate", "#endpoint-secret",
          reach=_pressing(f"{_ASKED} .danger"), looks=_OPPOSITES),
    State("webhook-replay", "/console/webhooks/{hook_id}/replay", "[name=since]",
          looks=_OPPOSITES),
    State("webhook-delete", "/console/webhooks/{hook_id}/delete", "[data-dialog] .danger",
          looks=_OPPOSITES),
    State("webhook-delivery", "/console/webhooks/{hook_id}/deliveries/{test_id}", "dl.facts"),
    State("audit", "/console/audit", "main table"),
    State("account", "/console/account", "main table"),
    State("account-refused", "/console/account", "main .error", "editor", _typing(
        current_password="wrong", new_password="a new sentence", repeated_password="another one",
    )),
    # Examples and the reference.
    State("examples", _EXAMPLE, "dl dt a", "editor"),
    State("example-one-file", f"{_EXAMPLE}one-file", "#try ~ form", "editor"),
    State("example-stored", f"{_EXAMPLE}one-file", "main [role=status]", "editor", _uploads),
    State("example-many-files", f"{_EXAMPLE}many-files", "#try ~ form", "editor"),
    State("example-no-file", f"{_EXAMPLE}no-file", "#try ~ form", "editor"),
    State("example-thumbnails", f"{_EXAMPLE}thumbnails", "ul.grid img", "editor"),
    State("example-no-thumbnails", f"{_EXAMPLE}thumbnails", "#stored ~ p", "beginner"),
    State("example-dropzone", f"{_EXAMPLE}dropzone", "#zone", "editor"),
    State("example-dropped", f"{_EXAMPLE}dropzone", ".dz-error", "editor", _drops,
          looks=_WITH_SCRIPTS, complaint="a status of 413"),
    State("reference", "/docs", "[data-reference] h1, .documents h1", "",
          looks=_OF_REDOC, weight=_REDOC_BYTES),
    State("reference-auth", "/docs/auth", "[data-reference] h1, .documents h1", "",
          looks=_OF_REDOC, weight=_REDOC_BYTES),
)  # fmt: skip
