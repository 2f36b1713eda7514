"""The output of `wharf status`."""

from __future__ import annotations

import pytest

from wharf_gateway import readiness
from wharf_gateway.run_settings import RunSettings
from wharf_native.cli import status


@pytest.mark.parametrize(
    ("down", "code", "said"),
    [
        ((), 0, "wharf: ready at http://127.0.0.1:8080\n"),
        (
            ("/metrics/images",),
            0,
            "wharf: ready at http://127.0.0.1:8080, without images (their requests get 503)\n",
        ),
        (
            ("/metrics/images", "/metrics/live"),
            0,
            (
                "wharf: ready at http://127.0.0.1:8080, without live and images "
                "(their requests get 503)\n"
            ),
        ),
        (
            ("/readyz?exclude=room", "/metrics/live"),
            1,
            "wharf: not ready: /readyz?exclude=room returns 503 down\n",
        ),
    ],
)
def test_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    down: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    """Wharf is ready without its optional parts, and the output names the missing parts."""
    answers = dict.fromkeys(down, (503, "down"))
    monkeypatch.setattr(readiness, "get", lambda *words, **_: answers.get(words[2], (200, "")))
    assert status(RunSettings({}, root="/srv/wharf")) == code
    assert capsys.readouterr().out == said
