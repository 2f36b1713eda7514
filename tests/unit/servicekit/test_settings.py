"""Settings are read once and checked at startup. A wrong setting is named in one line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from servicekit.settings import SettingsError, read, setting, table


@dataclass(frozen=True)
class Example:
    """The settings of a simulated service."""

    max_body_bytes: int = setting(10, minimum=1, maximum=100, doc="Largest body in bytes.")
    floor: int = setting(0, minimum=0, doc="A number without a maximum.")
    loud: bool = setting(default=False, doc="Whether to shout.")
    mode: str = setting("full", choices=("full", "relaxed"), doc="How.")
    hosts: tuple[str, ...] = setting((), doc="Names.")
    folder: Path = setting(Path("/var"), doc="Where.")  # noqa: RUF009 -- a field
    password: str = setting("", secret=True, doc="Hidden.")


@dataclass(frozen=True)
class Needy:
    """Settings of which one has no default."""

    data: Path = setting(doc="The folder of all data.")  # noqa: RUF009 -- a field


def test_nothing_set_means_defaults() -> None:
    """An empty environment gives the defaults."""
    assert read(Example, {}) == Example()


def test_values_take_the_type_of_their_field() -> None:
    """Numbers, booleans, lists and paths are parsed."""
    found = read(
        Example,
        {
            "WHARF_MAX_BODY_BYTES": "42",
            "WHARF_LOUD": "Yes",
            "WHARF_HOSTS": "a.example, b.example,",
            "WHARF_FOLDER": "data",
        },
    )
    assert (found.max_body_bytes, found.loud) == (42, True)
    assert found.hosts == ("a.example", "b.example")
    assert found.folder == Path.cwd() / "data"


@pytest.mark.parametrize(
    "text",
    ["0", "101", "-1", "1.5", "1e1", " 7", "7 ", "1_0", "\u0667", "+5", "abc", "0x10", "--5"],
)
def test_wrong_numbers_name_variable_value_and_range(text: str) -> None:
    """The refusal of a wrong number has the variable, the value and the allowed range."""
    with pytest.raises(SettingsError) as caught:
        read(Example, {"WHARF_MAX_BODY_BYTES": text})
    line = str(caught.value)
    assert line == f"WHARF_MAX_BODY_BYTES={text!r}: allowed is a whole number from 1 to 100"


def test_number_with_a_floor_only() -> None:
    """The message has the range even if the range has no maximum."""
    with pytest.raises(SettingsError, match="of 0 or more"):
        read(Example, {"WHARF_FLOOR": "-3"})


def test_wrong_choice_lists_the_choices() -> None:
    """An unknown choice is refused with the list of choices."""
    with pytest.raises(SettingsError, match="WHARF_MODE='fast': allowed are full, relaxed"):
        read(Example, {"WHARF_MODE": "fast"})


def test_wrong_boolean() -> None:
    """A value that is not a boolean is refused."""
    with pytest.raises(SettingsError, match="WHARF_LOUD='maybe'"):
        read(Example, {"WHARF_LOUD": "maybe"})


def test_missing_setting_says_what_it_is() -> None:
    """The message about a missing setting has its name and its meaning."""
    with pytest.raises(SettingsError, match="WHARF_DATA is not set: The folder of all data"):
        read(Needy, {})


def test_empty_variable_counts_as_unset() -> None:
    """An empty variable counts as unset, because Compose passes unset variables as empty."""
    assert read(Example, {"WHARF_MODE": ""}).mode == "full"


def test_secret_comes_from_a_file(tmp_path: Path) -> None:
    """A secret may be in a file. The line end at the end of the file is removed."""
    (tmp_path / "secret").write_text("s3cret\n")
    found = read(Example, {"WHARF_PASSWORD_FILE": str(tmp_path / "secret")})
    assert found.password == "s3cret"


def test_missing_secret_file_is_named(tmp_path: Path) -> None:
    """If a secret's file cannot be read, the message names the file."""
    with pytest.raises(SettingsError, match=r"WHARF_PASSWORD_FILE=.*absent.*No such file"):
        read(Example, {"WHARF_PASSWORD_FILE": str(tmp_path / "absent")})


def test_only_secrets_come_from_files(tmp_path: Path) -> None:
    """If a setting is no secret, its variable with the ending `_FILE` is ignored."""
    (tmp_path / "mode").write_text("relaxed")
    assert read(Example, {"WHARF_MODE_FILE": str(tmp_path / "mode")}).mode == "full"


def test_secrets_are_not_shown() -> None:
    """The `repr` of the settings contains no secret, so a log line does not contain it either."""
    assert "s3cret" not in repr(read(Example, {"WHARF_PASSWORD": "s3cret"}))


def test_settings_do_not_change() -> None:
    """Settings cannot be changed after they were read."""
    with pytest.raises(AttributeError):
        Example().mode = "relaxed"  # type: ignore[misc]


def test_table_has_every_setting() -> None:
    """The table for the documentation has every setting."""
    rows = table(Example)
    assert rows[0] == ("WHARF_MAX_BODY_BYTES", "10", "Largest body in bytes.")
    assert len(rows) == 7
    assert table(Needy)[0][1] == "(required)"
