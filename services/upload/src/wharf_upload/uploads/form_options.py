"""The plain fields of a form that choose the keys of its files and the action on a conflict."""

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
#: The fields that carry the path of the next file: the field of Uppy, the field of dropzone, and
#: the name that browsers use.
PATH_FIELDS = frozenset(("relativePath", "fullPath", "webkitRelativePath"))
_PATHS: Mapping[str, bool] = {"keep": True, "drop": False}


class FormOptions(msgspec.Struct, frozen=True):
    """The options of a form, after they were checked.

    `key` is set if a ticket names the key of the one file. Otherwise a file's key consists of
    `folder` and the file's name. If `keeps_paths` is true, the folders of the file's path are
    between the two.
    """

    folder: str
    on_conflict: OnConflict
    key: str | None = None
    redirect: str | None = None
    keeps_paths: bool = False

    def key_of(self, name: str) -> str:
        """Return the key of a file with this name or relative path; raises `InvalidKey`."""
        return keys.object_key_text(self.folder + name) if self.key is None else self.key


_NOTHING_CHOSEN = FormOptions("", "rename")


def read(
    fields: Mapping[str, str],
    ticket: Ticket | None,
    condition: WriteCondition | None,
    origins: tuple[str, ...] = (),
) -> FormOptions:
    """Return the options of a form.

    `origins` are the bucket's origins, to which a form may redirect. Raises `TicketRefused`,
    `InvalidKey`, and the problem `unprocessable`.
    """
    if not fields and ticket is None and condition is None:
        return _NOTHING_CHOSEN
    prefix = keys.prefix(fields.get("prefix", ""))
    if prefix and not prefix.endswith("/"):
        prefix += "/"
    keeps_paths = _choice(fields, "paths", _PATHS, "drop")
    if ticket is not None and ticket.key is not None:
        if prefix:
            raise TicketRefused("key", "The ticket names the key; remove the field prefix.")
        prefix, key = "", keys.object_key_text(ticket.key)
        keeps_paths = False
    else:
        prefix, key = tickets.folder(ticket) + prefix, None
    on_conflict = _on_conflict(fields, ticket, condition)
    return FormOptions(prefix, on_conflict, key, _redirect(fields, ticket, origins), keeps_paths)


def path_of(filename: str, field: str) -> str:
    """Return the relative path of a file, as the client sent it.

    Browsers send the path as the file's name. Scripts of pages send it in a field before the file.
    The field counts if it ends in the file's name.
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
        raise TicketRefused("key", "The ticket is for one key; on_conflict=rename changes the key.")
    if must_exist and choice == "rename":
        raise UNPROCESSABLE(
            "If-Match needs a file to replace, but on_conflict=rename replaces no file.",
            field="on_conflict",
        )
    if choice == "replace" and not replaces:
        raise TicketRefused("replace", "The ticket allows new files, but no replacements.")
    return choice


def _choice(
    fields: Mapping[str, str], name: str, choices: Mapping[str, _Choice], default: str
) -> _Choice:
    chosen = fields.get(name, default)
    if chosen not in choices:
        *words, last = choices
        raise UNPROCESSABLE(f"{name} must be one of {', '.join(words)} and {last}.", field=name)
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
