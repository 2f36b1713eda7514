"""The plain fields of a form that say where its files go, and what happens then."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from servicekit.problems import UNPROCESSABLE
from wharf_upload.access import tickets
from wharf_upload.access.tickets import TicketRefused
from wharf_upload.domain import keys, redirects
from wharf_upload.domain.file_writes import OnConflict
from wharf_upload.domain.upload_intent import UploadIntent

_ON_CONFLICT: Mapping[str, OnConflict] = {
    "rename": "rename",
    "replace": "replace",
    "error": "error",
}


class FormOptions(msgspec.Struct, frozen=True):
    """What was chosen, as it may be done. `key` is that of the one file, of a ticket that names it;
    else each file's name is put behind `folder`.
    """

    folder: str
    on_conflict: OnConflict
    key: str | None = None
    redirect: str | None = None

    def key_of(self, name: str) -> str:
        """The key of a file of this name; raises `InvalidKey`."""
        return keys.object_key_text(self.folder + name) if self.key is None else self.key


def read(fields: Mapping[str, str], intent: UploadIntent) -> FormOptions:
    """Raises `TicketRefused`, `InvalidKey`, and the problem `unprocessable`."""
    prefix = keys.prefix(fields.get("prefix", ""))
    if prefix and not prefix.endswith("/"):
        prefix += "/"
    ticket = intent.ticket
    if ticket is not None and ticket.key is not None:
        if prefix:
            raise TicketRefused("key", "The ticket names the key; leave the field prefix out.")
        key = keys.object_key_text(ticket.key)
        return FormOptions("", _on_conflict(fields, intent), key, _redirect(fields, intent))
    prefix = tickets.folder(ticket) + prefix
    return FormOptions(prefix, _on_conflict(fields, intent), None, _redirect(fields, intent))


def _on_conflict(fields: Mapping[str, str], intent: UploadIntent) -> OnConflict:
    ticket = intent.ticket
    names_key = ticket is not None and ticket.key is not None
    replaces = tickets.may_replace(ticket)
    default = ("replace" if replaces else "error") if names_key else "rename"
    choice = fields.get("on_conflict", default)
    if choice not in _ON_CONFLICT:
        raise UNPROCESSABLE("on_conflict is one of rename, replace and error.", field="on_conflict")
    if names_key and choice == "rename":
        raise TicketRefused("key", "The ticket is for one key, and another name would be another.")
    if choice == "replace" and not replaces:
        raise TicketRefused("replace", "The ticket adds files and replaces none.")
    return _ON_CONFLICT[choice]


def _redirect(fields: Mapping[str, str], intent: UploadIntent) -> str | None:
    if "redirect" not in fields:
        return None
    try:
        return redirects.check(fields["redirect"], intent.ticket, intent.policy.cors_origins)
    except redirects.BadRedirect as error:
        raise UNPROCESSABLE(str(error), field="redirect") from None
