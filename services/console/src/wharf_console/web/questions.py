"""Pages that ask once more, before something is done that cannot be taken back."""

from __future__ import annotations

from collections.abc import Iterable

from flask import render_template, request

# Of the form that asks anew: its token is another one.
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
    """Return a page whose button sends a form to the address of this request.

    Args:
        title: the question.
        sentences: what will happen.
        button: the words of the button.
        back: the address of the page that was before.
        fields: hidden fields of the form, beside `confirmed`.
        keep: the words of the link back.
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
    """Return the fields of the form of this request, for the question to carry."""
    return [
        (name, value)
        for name, values in request.form.lists()
        if name not in _NOT_CARRIED
        for value in values
    ]
