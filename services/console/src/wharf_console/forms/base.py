"""What all forms have: the CSRF token, and what a person typed before the session ended."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_login import current_user
from flask_wtf import FlaskForm

from wharf_console.web import kept_forms


class ConsoleForm(FlaskForm):  # type: ignore[misc] # Flask-WTF has no types
    """A form of the console. `validate_on_submit()` says whether it was sent and is right."""

    def __init__(self, **options: Any) -> None:
        if request.method == "GET" and current_user.is_authenticated:
            typed = kept_forms.take(current_user.person.user_id)
            if typed is not None:
                options["formdata"] = typed
        super().__init__(**options)

    def refuse(self, field: str, message: str) -> None:
        """Show the API's refusal at the field that it is about."""
        wrong = self[field]
        wrong.errors = [*wrong.errors, message]
