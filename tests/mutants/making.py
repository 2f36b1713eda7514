"""The mutants of a module: those that mutmut makes, without the kinds that
reveal nothing about tests.

mutmut writes each function once for each mutant, and a wrapper that calls the version whose name is
set. So a module is compiled once, and a process switches mutants by name.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import (
    Mutation,
    combine_mutations_to_source,
    create_mutations,
    group_by_top_level_node,
)
from mutmut.mutation.trampoline_templates import mangle_function_name

from tests.mutants.mutant import Mutant

_SPACE = re.compile(r"\s+")
# Calls whose arguments do not change the behaviour of the code; docs/mutants.md gives the reasons.
_LOGS = {"log"}
_TYPING = {"cast", "TypeVar"}


@dataclass(frozen=True)
class Made:
    """A module with all its mutants."""

    code: str
    mutants: tuple[Mutant, ...]


def mutants_of(module: str, path: Path, cache: Path) -> Made:
    """Return the module's mutants, from a cache unless the module or this file has changed."""
    text = path.read_text()
    own = Path(__file__).read_bytes()
    digest = hashlib.sha256(b"\0".join((module.encode(), text.encode(), own))).hexdigest()
    kept = cache / f"{digest}.json"
    if kept.exists():
        data = json.loads(kept.read_text())
        return Made(data["code"], tuple(Mutant(**mutant) for mutant in data["mutants"]))
    made = _make(module, path, text)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(
        json.dumps({"code": made.code, "mutants": [asdict(each) for each in made.mutants]})
    )
    return made


def _make(name: str, path: Path, text: str) -> Made:
    module, mutations, classes, functions = create_mutations(str(path), text)
    telling = [mutation for mutation in mutations if _in_a_function(mutation)]
    left_out = set(_left_out(module))
    telling = [
        mutation
        for mutation in telling
        if mutation.original_node not in left_out and not _letter_case(mutation)
    ]
    made = combine_mutations_to_source(module, telling, classes, functions)
    return Made(made.code, tuple(_named(name, module, telling)))


def _in_a_function(mutation: Mutation) -> bool:
    return isinstance(mutation.contained_by_top_level_function, cst.FunctionDef)


def _letter_case(mutation: Mutation) -> bool:
    """Tell whether a mutation only changes the case of letters, which has no effect in SQL."""
    before, after = mutation.original_node, mutation.mutated_node
    if not isinstance(before, cst.SimpleString) or not isinstance(after, cst.SimpleString):
        return False
    return before.value.lower() == after.value.lower()


class _Finder(cst.CSTVisitor):
    """A visitor that collects calls that write logs or address the type checker."""

    def __init__(self) -> None:
        self.found: list[cst.CSTNode] = []

    def visit_Call(self, node: cst.Call) -> None:  # noqa: N802 -- libcst's name
        """Collect the call if it writes a log or addresses the type checker."""
        match node.func:
            case cst.Attribute(value=cst.Name(value=name)) if name in _LOGS:
                self.found.append(node)
            case cst.Name(value=name) if name in _TYPING:
                self.found.append(node)


def _left_out(module: cst.Module) -> Iterator[cst.CSTNode]:
    finder = _Finder()
    module.visit(finder)
    for node in finder.found:
        yield from _below(node)


def _below(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in node.children:
        yield from _below(child)


def _classes(module: cst.Module) -> dict[cst.CSTNode, str]:
    """Return the class of each method."""
    return {
        method: statement.name.value
        for statement in module.body
        if isinstance(statement, cst.ClassDef)
        for method in statement.body.body
    }


def _named(name: str, module: cst.Module, mutations: list[Mutation]) -> Iterator[Mutant]:
    """Yield the mutants under mutmut's names, which number the mutants of each function from 1."""
    positions = MetadataWrapper(module, unsafe_skip_copy=True).resolve(PositionProvider)
    classes = _classes(module)
    for function, group in group_by_top_level_node(mutations).items():
        assert isinstance(function, cst.FunctionDef)
        own = function.name.value
        cls = classes.get(function)
        mangled = mangle_function_name(name=own, class_name=cls)
        where = f"{name}:{cls}.{own}" if cls else f"{name}:{own}"
        for number, mutation in enumerate(group, 1):
            position = positions.get(mutation.original_node)
            yield Mutant(
                f"{name}.{mangled}__mutmut_{number}",
                f"{name}.{mangled}",
                where,
                position.start.line if position else 0,
                _one_line(module, mutation.original_node),
                _one_line(module, mutation.mutated_node),
            )


def _one_line(module: cst.Module, node: cst.CSTNode) -> str:
    return _SPACE.sub(" ", module.code_for_node(node)).strip()
