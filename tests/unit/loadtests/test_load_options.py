"""The options of the load test, and the command line that `make load` creates from variables."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import pytest

from loadtests.load import options
from loadtests.load.__main__ import command
from loadtests.load.stages import SHAPES, USUAL, Thresholds


def _given(**values: object) -> Namespace:
    unset = {"tenants": 4, "failure_ratio": None, "p99_ms": None, "requests_per_second": None}
    return Namespace(**{**unset, "num_users": None, "run_time": None, **values})


def test_a_shape_brings_its_thresholds() -> None:
    """A run without options has its shape's thresholds, or without a shape the usual thresholds."""
    plan = SHAPES["stress"]
    assert options.run_settings(_given(), plan) == options.RunSettings(4, plan.thresholds)
    assert options.run_settings(_given(), None) == options.RunSettings(4, USUAL)


def test_thresholds_can_be_set() -> None:
    """Each option replaces a threshold of the shape, even if the option is zero or a text of a web
    form.
    """
    given = _given(tenants=2, failure_ratio=0.0, p99_ms="7", requests_per_second=3.0)
    found = options.run_settings(given, SHAPES["stress"])
    assert found == options.RunSettings(2, Thresholds(0.0, 7, 3))


def test_an_empty_field_of_the_web_page_sets_nothing() -> None:
    """An empty text for a threshold, from the web form, leaves the shape's threshold."""
    assert options.run_settings(_given(p99_ms=""), None).thresholds == USUAL


@pytest.mark.parametrize("text", ["fast", "-1", "nan", "inf"])
def test_a_wrong_threshold_is_named(text: str) -> None:
    """A threshold that is not a number of 0 or more is refused, and the message contains it."""
    with pytest.raises(options.BadSetting, match=text):
        options.run_settings(_given(failure_ratio=text), None)


@pytest.mark.parametrize("text", ["2.5", "0", "-1", "many"])
def test_a_wrong_count_is_named(text: str) -> None:
    """A number of users that is not a positive integer is refused; the message has the variable."""
    with pytest.raises(options.BadSetting, match=f"WHARF_LOAD_USERS={text}"):
        options.scale(_given(), {"WHARF_LOAD_USERS": text})


def test_options_scale_a_shape_before_the_environment_does() -> None:
    """`--users` and `--run-time` override `WHARF_LOAD_USERS` and `WHARF_LOAD_SECONDS`."""
    environ = {"WHARF_LOAD_USERS": "5", "WHARF_LOAD_SECONDS": "30"}
    assert options.scale(_given(), environ) == (5, 30.0)
    assert options.scale(_given(num_users=7, run_time=60), environ) == (7, 60)
    assert options.scale(_given(), {}) == (None, None)


def test_the_default_host_is_that_of_make_run() -> None:
    """Without a host the load test uses the Wharf that `make run` starts."""
    assert options.host(None, {"WHARF_PORT": "9999"}) == "http://127.0.0.1:9999"
    assert options.host("https://files.example.net/", {}) == "https://files.example.net"


@pytest.mark.parametrize("given", ["127.0.0.1:8080", "http://127.0.0.1/v1", "ftp://127.0.0.1"])
def test_a_wrong_host_is_named(given: str) -> None:
    """A host that is not an HTTP URL without a path is refused, and the message contains it."""
    with pytest.raises(options.BadSetting, match=given):
        options.host(given, {})


def test_credentials_are_those_of_the_first_start(tmp_path: Path) -> None:
    """The load test reads credentials from a file of a first start, or of a single client."""
    path = options.credentials_file(None, {"WHARF_DATA": str(tmp_path)})
    client = {"client_id": "root", "client_secret": "s"}
    for content in ({"admin": client, "demo": {}}, client):
        path.write_text(json.dumps(content))
        assert options.credentials(path) == ("root", "s")


@pytest.mark.parametrize("content", [None, "no json", "{}", "[]"])
def test_wrong_credentials_are_named(tmp_path: Path, content: str | None) -> None:
    """A file without credentials is refused, and the message contains its path."""
    path = tmp_path / "credentials.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(options.BadSetting, match=str(path)):
        options.credentials(path)


def test_make_load_is_a_headless_average_day() -> None:
    """`make load` runs locust without a web page, in the shape `average`, and writes a report."""
    line = command({"WHARF_DATA": "/data"}, [])
    assert "--headless" in line
    assert {"--shape=average", "--html=/data/load/average.html"} <= set(line)


def test_make_load_passes_its_variables_on() -> None:
    """Each variable of `make load` becomes an option of locust; `ARGS` are the last arguments."""
    environ = {"SHAPE": "soak", "HOST": "http://h", "CREDENTIALS": "c.json", "REPORT": "r.html"}
    line = command(environ, ["--tags", "upload"])
    assert {"--shape=soak", "--host=http://h", "--credentials=c.json", "--html=r.html"} <= set(line)
    assert line[-2:] == ["--tags", "upload"]
