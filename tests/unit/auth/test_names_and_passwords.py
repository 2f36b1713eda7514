"""Names and passwords of users: which are accepted, and which count as equal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.problems import ProblemError
from wharf_auth.accounts import passwords
from wharf_auth.domain import names, users


@given(st.text(max_size=300))
def test_folding_again_changes_nothing(name: str) -> None:
    """Folding a folded name changes nothing, for every text."""
    assert users.folded(users.folded(name)) == users.folded(name)


@given(st.text(max_size=50))
def test_spellings_fold_to_one(name: str) -> None:
    """The composed, decomposed and folded forms of a name fold to one name."""
    for form in ("NFC", "NFD"):
        assert users.folded(unicodedata.normalize(form, name)) == users.folded(name)
    assert users.folded(name.casefold()) == users.folded(name)


@given(st.text(max_size=300))
def test_accepted_names_are_visible_and_stay(name: str) -> None:
    """An accepted name is in NFC, has 1 to 254 characters, and no space or control character."""
    try:
        accepted = users.username(name)
    except ProblemError:
        return
    assert unicodedata.is_normalized("NFC", accepted)
    assert 1 <= len(accepted) <= 254
    assert not any(unicodedata.category(one)[0] in "CZ" for one in accepted)
    assert users.username(accepted) == accepted


@pytest.mark.parametrize("name", ["a/b", "/a", "a\\b", "{user_id}", "a{b", "a}b"])
def test_names_are_one_segment_of_a_key(name: str) -> None:
    """A user name with a slash or a brace is refused, so no name reaches another user's folder."""
    with pytest.raises(ProblemError) as refused:
        users.username(name)
    assert "slashes or braces" in refused.value.detail


@pytest.mark.parametrize(
    "name",
    ["ada", "Ada.Lovelace+x@example.org", "jürgen", "李小龍", "अदा", "o'brien", "1", "a" * 254],
)
def test_names_of_people(name: str) -> None:
    """Names and e-mail addresses of any script are accepted unchanged."""
    assert users.username(name) == name


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("می\u200cپز", "می\u200cپز"),
        ("ශ්\u200dරී ලංකා", "ශ්\u200dරී ලංකා"),
        ("Team 👩\u200d💻", "Team 👩\u200d💻"),
        ("\u200eDonau\xaddampf ", "Donaudampf"),
    ],
)
def test_labels_of_all_languages(sent: str, kept: str) -> None:
    """A display name keeps the joiners of its language and loses other invisible characters."""
    assert names.label(sent, "display name") == kept


@pytest.mark.parametrize(
    "text", ["a\u202eb", "a\u200db", "a\u200bb", "a\x00", "\ud800", "\ue000", " "]
)
def test_labels_that_are_none(text: str) -> None:
    """A display name without a visible character, or with a hidden one, is refused."""
    with pytest.raises(ProblemError):
        names.label(text, "display name")


@pytest.mark.parametrize(
    ("one", "other"),
    [("STRASSE", "straße"), ("ΣΊΣΥΦΟΣ", "σίσυφος"), ("\ufb01n", "FIN"), ("\uff21da", "ada")],
)
def test_twins(one: str, other: str) -> None:
    """Two users cannot have names that differ only in case, ligatures or width (row 22)."""
    assert users.folded(one) == users.folded(other)


@given(st.text(max_size=300))
def test_accepted_passwords_stay(password: str) -> None:
    """An accepted password has 8 to 256 characters, and normalizing it again changes nothing."""
    try:
        accepted = passwords.checked(password, "ada", "demo")
    except ProblemError:
        return
    assert passwords.MIN_CHARACTERS <= len(accepted) <= passwords.MAX_CHARACTERS
    assert passwords.normalized(accepted) == accepted


@pytest.mark.parametrize(
    "password",
    [
        "Tr0ub4dor",
        "correct horse",
        "日本語のパスワードです",
        " 8 spaces",
        "\u200b" * 4 + "abcd",
        "x1" * 128,
    ],
)
def test_no_kinds_of_characters_are_demanded(password: str) -> None:
    """A password needs no kind of character: spaces, invisible characters and any script are
    accepted.
    """
    assert passwords.checked(password, "ada@example.org", "demo")


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("1234567", "8 to 256"),
        ("x1" * 129, "8 to 256"),
        ("\ufb03" * 100, "8 to 256"),
        ("PassWord", "most common"),
        ("Qwerty123", "most common"),
        ("\uff50assword", "most common"),
        ("zzzzzzzzzz", "most common"),
        ("Ada@Example.org", "names"),
        ("lovelace1", "names"),
        ("wharfwharf", "names"),
        ("globex12345", "names"),
        ("abcdefg\0", "NUL"),
    ],
)
def test_refused_passwords(password: str, reason: str) -> None:
    """A password that is too short, too long, common, or made of names is refused."""
    with pytest.raises(ProblemError) as refused:
        passwords.checked(password, "ada@example.org", "lovelace", "globex")
    assert reason in refused.value.detail
    assert password not in refused.value.detail


def test_made_passwords_are_accepted_and_differ() -> None:
    """Generated passwords follow the rules and are all different."""
    made = {passwords.generated() for _ in range(50)}
    assert len(made) == 50
    for password in made:
        assert passwords.checked(password, "ada") == password


def test_list_of_common_passwords_is_in_order() -> None:
    """The list of common passwords is sorted and normalized, without duplicates or short ones."""
    lines = passwords._COMMON.read_text(encoding="utf-8").splitlines()
    assert lines == sorted(set(lines))
    assert all(len(line) >= passwords.MIN_CHARACTERS for line in lines)
    assert all(passwords.normalized(line).casefold() == line for line in lines)
    assert len(lines) > 500
