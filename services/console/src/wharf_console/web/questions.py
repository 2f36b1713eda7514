"""Pages that ask for a confirmation before an action that cannot be undone."""

from __future__ import annotations

from collections.abc import Iterable

from flask import render_template, request

# Fields that the new form sets itself.
_NOT_CARRIED = frozenset(("csrf_token", "confirmed"))


def ask(
    title: str,
    sentences: Iterable[str],
    button: str,
    back: str,
    *,
    fields: Iterable[tuple[str, str]] = (),
    keep: str = "",
) -> str:
    """Return a page with a button that sends a form to the address of this request.

    Args:
        title: the question.
        sentences: the consequences.
        button: the text of the button.
        back: the address of the previous page.
        fields: hidden fields of the form, in addition to `confirmed`.
        keep: the text of the link back.
    """
    return render_template(
        "question.html",
        title=title,
        sentences=tuple(sentences),
        button=button,
        back=back,
        fields=tuple(fields),
        keep=keep,
        action=request.path,
    )


def typed() -> list[tuple[str, str]]:
    """Return the fields of the form of this request, for the form of the question."""
    return [
        (name, value)
        for name, values in request.form.lists()
        if name not in _NOT_CARRIED
        for value in values
    ]
