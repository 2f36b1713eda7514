"""The forms of an import of people, and the rules for the file."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable

import msgspec
from flask_wtf.file import FileAllowed, FileField, FileRequired, FileSize
from wtforms import HiddenField, SelectField

from wharf_console.forms.base import ConsoleForm
from wharf_console.forms.members import MAX_NAME, is_username, roles_told, username_rule
from wharf_console.web.csv_files import Table, UnreadableFile
from wharf_console.web.language import gettext, lazy_gettext

MAX_BYTES, MAX_LINES = 1_000_000, 1000
#: The columns of the imported file, and of the file with the result.
COLUMNS = ("username", "display_name", "role")
_OTHER_NAMES = {
    "user name": "username",
    "user": "username",
    "login": "username",
    "用户名": "username",
    "display name": "display_name",
    "name": "display_name",
    "姓名": "display_name",
    "显示名称": "display_name",
    "角色": "role",
}
_ROLES = {"viewer": "viewer", "editor": "editor", "owner": "owner"} | {
    "查看者": "viewer",
    "编辑者": "editor",
    "所有者": "owner",
}


class Line(msgspec.Struct, frozen=True, array_like=True):
    """A new person from a line of the file; `error` is the reason if no account can be made."""

    number: int
    username: str
    display_name: str
    role: str
    error: str = ""


class Made(msgspec.Struct, frozen=True, array_like=True):
    """A new account; `is_sure` is false if the response of auth was lost."""

    username: str
    display_name: str
    role: str
    password: str
    is_sure: bool = True


class FileForm(ConsoleForm):
    """The form with the file, and the role for lines without one."""

    file = FileField(
        lazy_gettext("CSV file"),
        validators=[
            FileRequired(lazy_gettext("Choose a file.")),
            FileAllowed(("csv",), lazy_gettext("Choose a file whose name ends with .csv.")),
            FileSize(MAX_BYTES, message=lazy_gettext("The file is larger than 1 MB.")),
        ],
    )
    role = SelectField(
        lazy_gettext("Role, where the file has none"), choices=roles_told, default="viewer"
    )


class LinesForm(ConsoleForm):
    """The form with the people of a shown file; `secret_made` has the accounts made so far.

    A field with `secret` in its name is not stored when the session ends.
    """

    lines = HiddenField()
    secret_made = HiddenField()

    def wanted(self) -> list[Line]:
        """Return the new people; raises `MsgspecError`."""
        return msgspec.json.decode(self.lines.data or "[]", type=list[Line])

    def made(self) -> list[Made]:
        """Return the accounts made so far; raises `MsgspecError`."""
        return msgspec.json.decode(self.secret_made.data or "[]", type=list[Made])


def packed(entries: Iterable[Line] | Iterable[Made]) -> str:
    """Return the entries as JSON, which a hidden field of `LinesForm` contains."""
    return msgspec.json.encode(list(entries)).decode()


def lines_of(table: Table, role: str) -> list[Line]:
    """Return the people of a file; `role` is the default role. Raises `UnreadableFile`."""
    (_, header), *rows = table.lines
    columns = [_column(cell) for cell in header]
    if "username" not in columns:
        raise UnreadableFile(
            gettext(
                "The first line must name the columns: %(columns)s. One of them is username.",
                columns=", ".join(COLUMNS),
            )
        )
    if not rows:
        raise UnreadableFile(gettext("There is nobody below the first line."))
    if len(rows) > MAX_LINES:
        raise UnreadableFile(
            gettext("The file has more than %(count)s people; split it.", count=MAX_LINES)
        )
    return [_line(number, columns, cells, role) for number, cells in rows]


def _column(cell: str) -> str:
    name = cell.casefold()
    return _OTHER_NAMES.get(name, name)


def _line(number: int, columns: list[str], cells: tuple[str, ...], role: str) -> Line:
    found = dict(reversed(list(zip(columns, cells, strict=False))))
    named = found.get("role", "")
    line = Line(
        number,
        unicodedata.normalize("NFC", found.get("username", "")),
        found.get("display_name", ""),
        _ROLES.get(named.casefold(), named) if named else role,
    )
    if any(cells[len(columns) :]):
        error = gettext("The line has more cells than the first one.")
        return msgspec.structs.replace(line, error=error)
    return line


def checked(lines: Iterable[Line], there: Collection[str]) -> list[Line]:
    """Return the lines, each with its error; `there` has the folded names of existing people."""
    seen: dict[str, int] = {}
    found = []
    for line in lines:
        name = folded(line.username)
        error = line.error or _error(line)
        if not error and name in there:
            error = gettext("There is a user of this name already.")
        if not error and name in seen:
            error = gettext("The same name is in line %(number)s.", number=seen[name])
        if not error:
            seen[name] = line.number
        found.append(msgspec.structs.replace(line, error=error))
    return found


def _error(line: Line) -> str:
    if not line.username:
        return gettext("There is no user name.")
    if not is_username(line.username):
        return username_rule()
    if len(line.display_name) > MAX_NAME:
        return gettext("The name is too long.")
    if line.role not in _ROLES:
        return gettext("There is no role “%(role)s”.", role=line.role[:40])
    return ""


def folded(name: str) -> str:
    """Return a user name in the form in which auth compares names."""
    for _ in range(2):
        name = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return name
