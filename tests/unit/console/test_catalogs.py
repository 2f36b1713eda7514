"""Catalogs: every message is translated into every language, with the same placeholders."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from wharf_console.web import language

TOOL = Path(__file__).parents[3] / "services/console/tools/catalogs.py"
_PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w+\}")
LANGUAGES = sorted(set(language.LANGUAGES) - {"en"})


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """Return the program that reads and writes catalogs."""
    spec = importlib.util.spec_from_file_location("catalogs", TOOL)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", LANGUAGES)
def test_every_message_is_translated(tool: ModuleType, name: str) -> None:
    """The catalogs contain exactly the messages of code and templates, all translated."""
    found = tool.translated(name)
    assert found.keys() == tool.said().keys()
    assert [one for one, (_, message) in found.items() if not tool._is_done(message)] == []


@pytest.mark.parametrize("name", LANGUAGES)
def test_no_message_is_there_twice(tool: ModuleType, name: str) -> None:
    """A message has one translation, in one file."""
    told = [
        tool._id(message) for _, catalog in tool.catalogs(name) for message in catalog if message.id
    ]
    assert sorted(map(str, told)) == sorted(map(str, set(told)))


@pytest.mark.parametrize("name", LANGUAGES)
def test_translations_have_the_same_placeholders(tool: ModuleType, name: str) -> None:
    """A translation has the placeholders of its message, and no other placeholders."""
    wrong = []
    for identifier, (_, message) in tool.translated(name).items():
        singular = identifier if isinstance(identifier, str) else identifier[-1]
        strings = message.string if isinstance(message.string, tuple | list) else (message.string,)
        wrong += [
            (identifier, text) for text in strings if placeholders(text) != placeholders(singular)
        ]
    assert wrong == []


def placeholders(text: str) -> list[str]:
    """Return the placeholders of a message, in alphabetical order."""
    return sorted(_PLACEHOLDER.findall(text))


def test_a_catalog_of_all_files_is_loaded() -> None:
    """The messages of several files are loaded as one catalog with its language's plurals."""
    words = language.loaded("zh_Hans")
    assert words.gettext("Overview") == "概览"
    assert words.ngettext("%(num)d file deleted.", "%(num)d files deleted.", 1) == (
        "已删除 %(num)d 个文件。"
    )


@pytest.mark.parametrize("name", LANGUAGES)
def test_plurals_have_the_forms_of_the_language(tool: ModuleType, name: str) -> None:
    """Every plural has as many forms as its language needs."""
    for _, catalog in tool.catalogs(name):
        for message in catalog:
            if isinstance(message.id, tuple | list):
                assert len(message.string) == catalog.num_plurals, message.id
