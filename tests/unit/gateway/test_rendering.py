"""nginx's configuration from templates."""

from __future__ import annotations

from pathlib import Path

import pytest

from wharf_gateway.rendering import render, render_tree
from wharf_gateway.terminal import CannotRunError


def test_only_our_names_are_replaced() -> None:
    """Variables of nginx stay unchanged in both notations; only Wharf's names are replaced."""
    text = "map $http_upgrade ${connection} { default ${WHARF_RUN}; } # $WHARF_RUN ${wharf_run}"
    assert render(text, {"WHARF_RUN": "/r"}, "x") == (
        "map $http_upgrade ${connection} { default /r; } # $WHARF_RUN ${wharf_run}"
    )


def test_a_value_is_not_rendered_again() -> None:
    """If a value looks like a name of a template, the value is not replaced."""
    assert render("${WHARF_A}", {"WHARF_A": "${WHARF_A}"}, "x") == "${WHARF_A}"


def test_an_unknown_name_is_an_error() -> None:
    """A name without a value stops the start; the message has the template and the name."""
    with pytest.raises(CannotRunError, match=r"a\.conf\.template: .*\$\{WHARF_NOTHING\}"):
        render("${WHARF_NOTHING}", {}, "a.conf.template")


def test_a_tree(tmp_path: Path) -> None:
    """Rendered templates lose their suffix, plain configuration is copied, other files are not."""
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "snippets").mkdir(parents=True)
    (source / "nginx.conf.template").write_text("pid ${WHARF_RUN}/x;")
    (source / "snippets/headers.conf").write_text("${WHARF_RUN} $host")
    (source / "snippets/limits.conf.template").write_text("${WHARF_RUN}")
    (source / "README.md").write_text("not for nginx")
    written = render_tree(str(source), str(target), {"WHARF_RUN": "/r"})
    assert sorted(written) == ["nginx.conf", "snippets/headers.conf", "snippets/limits.conf"]
    assert (target / "nginx.conf").read_text() == "pid /r/x;"
    assert (target / "snippets/headers.conf").read_text() == "${WHARF_RUN} $host"
    assert not (target / "README.md").exists()
