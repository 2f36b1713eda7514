"""docs/security.md lists exactly the statements that read or change rows of all tenants."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
_SECTION = PAGE.partition("\n## Queries that span tenants\n")[2].partition("\n## ")[0]
_TABLES = (
    "audit|bodies_under_way|buckets|clients|cors_origins|deliveries|doomed|endpoints|events|files"
    "|group_members|idempotency|jobs|jobs_dead|limits|link_keys|links|login_networks|member_groups"
    "|revocations|room_reserved|sessions|tenants|ticket_uses|upload_parts|uploads|usage|users"
)
# A table that is given as a variable may be any table.
_ASKS = re.compile(rf"\b(?:FROM|UPDATE|JOIN) (?:(?:{_TABLES})\b|{{)")
_OF_A_TENANT = re.compile(r"\btenant = \?|\b(?:FROM|UPDATE) tenants\b.*\bWHERE name = \?")
_UNIQUE = "id|blob|hash|seq|session|user_id|client|subject|member_group"
_BY_UNIQUE_ID = re.compile(rf"\b(?:WHERE|AND) (?:\w\.)?(?:{_UNIQUE}) (?:= \?|= \(|IN )")


def statements(service: str) -> Iterator[tuple[str, str]]:
    """Yield the name (module and function, or constant) and the text of each statement."""
    package = ROOT / f"services/{service}/src/wharf_{service}"
    for path in sorted(package.rglob("*.py")):
        if "migrations" not in path.parts:
            for name, text in _of_module(ast.parse(path.read_text(encoding="utf-8"))):
                yield f"{service}: {path.stem}.{name}", text


def _of_module(module: ast.Module) -> Iterator[tuple[str, str]]:
    constants: dict[str, str] = {}
    for node in module.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            constants[node.targets[0].id] = _text(node.value, constants)
    found = list(_strings(module, ""))
    # If a constant is part of another statement, it is not a statement itself.
    parts = {
        inner.id for _, string in found for inner in ast.walk(string) if isinstance(inner, ast.Name)
    }
    for name, string in found:
        text = " ".join(_text(string, constants).split())
        if name not in parts and re.match("SELECT |DELETE FROM |UPDATE ", text):
            yield name, text


def _strings(node: ast.AST, scope: str) -> Iterator[tuple[str, ast.AST]]:
    """Yield each whole string with the names of the functions and classes that contain it."""
    is_sum = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)
    if is_sum or isinstance(node, ast.Constant | ast.JoinedStr):
        yield scope, node
        return
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        scope = f"{scope}.{node.name}".removeprefix(".")
    elif isinstance(node, ast.Assign) and not scope and isinstance(node.targets[0], ast.Name):
        scope = node.targets[0].id
    for child in ast.iter_child_nodes(node):
        yield from _strings(child, scope)


def _text(node: ast.AST, constants: dict[str, str]) -> str:
    """Return a string with the module's constants filled in; `{}` stands for unknown values."""
    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr(values=values):
            return "".join(_text(value, constants) for value in values)
        case ast.FormattedValue(value=ast.Name(id=name)) | ast.Name(id=name):
            return constants.get(name, "{}")
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left, constants) + _text(right, constants)
        case _:
            return "{}"


def test_what_spans_tenants_is_listed() -> None:
    """A statement has a condition of the tenant, selects unique ids, or is in docs/security.md."""
    spanning = {
        name
        for service in ("auth", "upload")
        for name, text in statements(service)
        if _ASKS.search(text) and not _OF_A_TENANT.search(text) and not _BY_UNIQUE_ID.search(text)
    }
    listed = re.findall(r"`((?:auth|upload): [\w.]+)`", _SECTION)
    assert len(listed) == len(set(listed))
    assert set(listed) == spanning


def test_statements_are_found() -> None:
    """The test finds at least 100 statements in auth and 90 in upload."""
    for service, least in (("auth", 100), ("upload", 90)):
        assert len(list(statements(service))) >= least
