"""The plain fields of a form that say where its files go, and what happens then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from servicekit.problems import UNPROCESSABLE
from servicekit.tickets import Ticket
from wharf_upload.access import tickets
from wharf_upload.access.tickets import TicketRefused
from wharf_upload.domain import keys, redirects
from wharf_upload.domain.conditions import WriteCondition
from wharf_upload.domain.file_writes import OnConflict

_Choice = TypeVar("_Choice")
_ON_CONFLICT: Mapping[str, OnConflict] = {
    "rename": "rename",
    "replace": "replace",
    "error": "error",
}
#: Fields with the path of the file behind them: of Uppy, of dropzone, and as browsers call it.
PATH_FIELDS = frozenset(("relativePath", "fullPath", "webkitRelativePath"))
_PATHS: Mapping[str, bool] = {"keep": True, "drop": False}


class FormOptions(msgspec.Struct, frozen=True):
    """What was chosen, as it may be done. `key` is that of the one file, of a ticket that names it;
    else each file's name is put behind `folder`, with the folders of its path if `keeps_paths`.
    """

    folder: str
    on_conflict: OnConflict
    key: str | None = None
    redirect: str | None = None
    keeps_paths: bool = False

    def key_of(self, name: str) -> str:
        """The key of a file of this name, or of this relative path; raises `InvalidKey`."""
        return keys.object_key_text(self.folder + name) if self.key is None else self.key


_NOTHING_CHOSEN = FormOptions("", "rename")


def read(
    fields: Mapping[str, str],
    ticket: Ticket | None,
    condition: WriteCondition | None,
    origins: tuple[str, ...] = (),
) -> FormOptions:
    """Raises `TicketRefused`, `InvalidKey`, and the problem `unprocessable`.

    `origins` are those of the bucket, to which a form may lead.
    """
    if not fields and ticket is None and condition is None:
        return _NOTHING_CHOSEN
    prefix = keys.prefix(fields.get("prefix", ""))
    if prefix and not prefix.endswith("/"):
        prefix += "/"
    keeps_paths = _choice(fields, "paths", _PATHS, "drop")
    if ticket is not None and ticket.key is not None:
        if prefix:
            raise TicketRefused("key", "The ticket names the key; leave the field prefix out.")
        prefix, key = "", keys.object_key_text(ticket.key)
        keeps_paths = False
    else:
        prefix, key = tickets.folder(ticket) + prefix, None
    on_conflict = _on_conflict(fields, ticket, condition)
    return FormOptions(prefix, on_conflict, key, _redirect(fields, ticket, origins), keeps_paths)


def path_of(filename: str, field: str) -> str:
    """Return the path of a file in a folder, as its client sent it.

    Browsers send it as the file's name; scripts of pages send it in a field before the file, which
    counts where it ends in the file's name.
    """
    if not field:
        return filename
    last = field.replace("\\", "/").rpartition("/")[2]
    return field if last == filename else filename


def _on_conflict(
    fields: Mapping[str, str], ticket: Ticket | None, condition: WriteCondition | None
) -> OnConflict:
    names_key = ticket is not None and ticket.key is not None
    replaces = tickets.may_replace(ticket)
    must_exist = condition is not None and condition.must_exist
    default = ("replace" if replaces else "error") if names_key or must_exist else "rename"
    choice = _choice(fields, "on_conflict", _ON_CONFLICT, default)
    if names_key and choice == "rename":
        raise TicketRefused("key", "The ticket is for one key, and another name would be another.")
    if must_exist and choice == "rename":
        raise UNPROCESSABLE(
            "If-Match is of a file that is replaced, and on_conflict=rename replaces none.",
            field="on_conflict",
        )
    if choice == "replace" and not replaces:
        raise TicketRefused("replace", "The ticket adds files and replaces none.")
    return choice


def _choice(
    fields: Mapping[str, str], name: str, choices: Mapping[str, _Choice], default: str
) -> _Choice:
    chosen = fields.get(name, default)
    if chosen not in choices:
        *words, last = choices
        raise UNPROCESSABLE(f"{name} is one of {', '.join(words)} and {last}.", field=name)
    return choices[chosen]


def _redirect(
    fields: Mapping[str, str], ticket: Ticket | None, origins: tuple[str, ...]
) -> str | None:
    if "redirect" not in fields:
        return None
    try:
        return redirects.check(fields["redirect"], ticket, origins)
    except redirects.BadRedirect as error:
        raise UNPROCESSABLE(str(error), field="redirect") from None
