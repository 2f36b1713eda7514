"""Passwords that the console generates."""

from __future__ import annotations

import re

from wharf_auth.accounts import passwords
from wharf_console.web.csv_files import defused
from wharf_console.web.passwords import new_password


def test_a_password_survives_paper_and_spreadsheets() -> None:
    """A generated password has no letters that look alike, and is no formula, number or date."""
    for _ in range(1000):
        made = new_password()
        assert re.fullmatch(r"[a-z][a-z2-9]{4}(-[a-z2-9]{5}){3}", made)
        assert not set(made) & set("ilo01")
        assert defused(made) == made


def test_no_two_are_the_same_and_auth_takes_them() -> None:
    """Generated passwords are all different, and auth accepts them."""
    made = {new_password() for _ in range(1000)}
    assert len(made) == 1000
    for one in list(made)[:20]:
        assert passwords.checked(one, "eve", "Eve", "acme") == one
