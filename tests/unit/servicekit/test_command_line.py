"""The end of a service's command: its exit status and its message."""

from __future__ import annotations

import os

import click
import pytest

from servicekit import command_line
from servicekit.settings import SettingsError


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (None, 0, ""),
        (SettingsError("WHARF_PORT is no number"), 1, "wharf-test: WHARF_PORT is no number"),
        (click.ClickException("the file is empty"), 1, "wharf-test: the file is empty"),
        (FileNotFoundError(2, "No such file", "/x"), 1, "wharf-test: /x: No such file"),
        (BlockingIOError(11, "Try again"), 1, "wharf-test: the system: Try again"),
        (KeyError("lost"), 1, "wharf-test: the key is lost"),
        (click.Abort(), 130, ""),
    ],
)
def test_a_mistake_of_the_operator(
    error: Exception | None,
    code: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An expected error is one line on standard error, and sets the exit status."""
    with pytest.raises(SystemExit) as end:
        run(error, monkeypatch)
    assert end.value.code == code
    assert capsys.readouterr() == ("", f"{line}\n" if line else "")


def test_a_wrong_call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A command with wrong arguments shows its usage and ends with click's exit status 2."""
    with pytest.raises(SystemExit) as end:
        run(click.UsageError("Give a name."), monkeypatch)
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("Usage: wharf-test")


def test_an_unknown_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that the command does not expect is a bug, and its traceback is printed."""
    with pytest.raises(ZeroDivisionError):
        run(ZeroDivisionError(), monkeypatch)


def run(error: Exception | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command that raises this error."""

    @click.command(add_help_option=False)
    def fail() -> None:
        if error is not None:
            raise error

    monkeypatch.setattr("sys.argv", ["wharf-test"])
    monkeypatch.setattr(os, "umask", lambda _: 0)
    command_line.run(
        fail, "wharf-test", lambda one: "the key is lost" if isinstance(one, KeyError) else None
    )
