"""Forms and their macros, used as docs/console.md describes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import render_template_string
from wtforms import BooleanField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired

from tests.servers.console import Console
from wharf_console.forms.base import ConsoleForm
from wharf_console.web.language import gettext, lazy_gettext

PAGE = """
{% import "macros/forms.html" as forms with context %}
{{ forms.errors(form) }}
{{ forms.field(form.name, hint=_("Size"), required=true) }}
{{ forms.field(form.role) }}
{{ forms.field(form.note, rows=3) }}
{{ forms.box(form.public, hint=_("Public")) }}
{{ forms.button(_("Delete"), "/console/x", {"key": "a<b"}, "danger") }}
"""


class Example(ConsoleForm):
    """A form with one field of each kind."""

    name = StringField(lazy_gettext("Name"), validators=[InputRequired(lazy_gettext("Upload"))])
    role = SelectField(
        lazy_gettext("Type"),
        choices=lambda: {"viewer": gettext("viewer"), "owner": gettext("owner")},
    )
    note = TextAreaField(lazy_gettext("Folder"))
    public = BooleanField(lazy_gettext("Public"))


@pytest.fixture(params=["en", "zh"])
def page(request: pytest.FixtureRequest, console: Console) -> Iterator[tuple[str, str]]:
    """Yield language and page of a form that failed its validation and was refused by the API."""
    headers = {"Accept-Language": request.param}
    data = {"name": "", "role": "owner", "note": "<b>", "public": "y"}
    with console.app.test_request_context("/console/x", method="POST", data=data, headers=headers):
        console.app.preprocess_request()
        form = Example()
        assert not form.validate()
        form.refuse("note", "Refused <here>.")
        form.form_errors = ["The whole <form>."]
        yield request.param, render_template_string(PAGE, form=form)


def test_a_form_is_rendered_with_what_was_typed(page: tuple[str, str]) -> None:
    """A refused form shows the person's input and choice again. The input is escaped."""
    _, html = page
    assert '<option selected value="owner">' in html
    assert ">\r\n&lt;b&gt;</textarea>" in html
    assert "checked" in html
    assert 'name="key" value="a&lt;b"' in html


def test_a_refusal_stands_at_its_field(page: tuple[str, str]) -> None:
    """Hints and errors are connected to their field, and the first wrong field gets the focus."""
    _, html = page
    assert 'aria-describedby="name-hint name-error"' in html
    assert 'aria-describedby="note-error"' in html
    assert '<small id="note-error" class="error">Refused &lt;here&gt;.</small>' in html
    assert '<p class="message error" role="alert">The whole &lt;form&gt;.</p>' in html
    assert html.count("autofocus") == 1
    assert 'aria-describedby="public-words"' in html


def test_labels_and_choices_are_in_the_language_of_the_page(page: tuple[str, str]) -> None:
    """Labels and choices are in the language of the page."""
    language, html = page
    english = language == "en"
    assert (">Name</label>" if english else ">名称</label>") in html
    assert (">viewer</option>" if english else ">查看者</option>") in html


def test_messages_of_wtforms_are_in_the_language_of_the_page(console: Console) -> None:
    """Messages of WTForms, for instance about a long value, are in the language of the page."""
    headers = {"Accept-Language": "zh"}
    form = {"tenant": "a" * 2000, "username": "eve", "password": "x"}
    page = console.visitor().post("/console/login", form, headers=headers).text
    assert '<small id="tenant-error" class="error">字段长度不能超过 1024 个字符。</small>' in page
