"""Settings of the native runner and of the gateway."""

from __future__ import annotations

import pytest

from wharf_gateway.run_settings import RUN_SETTINGS, RunSettings
from wharf_gateway.settings import (
    GATEWAY_SETTINGS,
    gateway_values,
    refuse_other_hosts,
    server_name,
)
from wharf_gateway.tables import Setting, markdown
from wharf_gateway.terminal import CannotRunError


def settings(**environ: str) -> RunSettings:
    return RunSettings(environ, root="/srv/wharf")


def test_defaults() -> None:
    """By default Wharf listens on loopback port 8080, and its data is in `var` of the checkout."""
    run = settings()
    assert run.listen == "127.0.0.1:8080"
    assert run.metrics_listen == "127.0.0.1:8081"
    assert run.data == "/srv/wharf/var"
    assert run.url == "http://127.0.0.1:8080"


def test_an_empty_variable_is_unset() -> None:
    """An empty variable means the default."""
    assert settings(WHARF_PORT="", WHARF_DATA="").listen == "127.0.0.1:8080"


@pytest.mark.parametrize("text", ["http", "0", "65536", "-1", "1_0", " 80", "٨٠"])
def test_a_wrong_number(text: str) -> None:
    """A wrong number stops the start; the message has the variable, the value and the range."""
    with pytest.raises(CannotRunError, match=r"WHARF_PORT=.* whole number from 1 to 65534"):
        settings(WHARF_PORT=text)


def test_equal_ports() -> None:
    """The public port and the port of the metrics must differ."""
    with pytest.raises(CannotRunError, match="WHARF_METRICS_PORT"):
        settings(WHARF_PORT="9000", WHARF_METRICS_PORT="9000")


@pytest.mark.parametrize(
    ("host", "listen", "url"),
    [
        ("0.0.0.0", "0.0.0.0:80", "http://127.0.0.1:80"),
        ("::", "[::]:80", "http://[::1]:80"),
        ("[::1]", "[::1]:80", "http://[::1]:80"),
        ("localhost", "127.0.0.1:80", "http://127.0.0.1:80"),
        ("10.1.2.3", "10.1.2.3:80", "http://10.1.2.3:80"),
    ],
)
def test_addresses(host: str, listen: str, url: str) -> None:
    """An address is written in nginx's notation; the URL has an address that can be reached."""
    run = settings(WHARF_HOST=host, WHARF_PORT="80")
    assert (run.listen, run.url) == (listen, url)


@pytest.mark.parametrize("host", ["example.org", "1.2.3.4; include /etc/passwd", "[]"])
def test_an_address_that_is_none(host: str) -> None:
    """A value that is no address is refused before it reaches nginx's configuration."""
    with pytest.raises(CannotRunError, match="WHARF_HOST"):
        settings(WHARF_HOST=host)


@pytest.mark.parametrize("name", ["../x", "-a", "A", "a b", "a.b", "a" * 64])
def test_a_wrong_instance(name: str) -> None:
    """An instance must be a label of a host name, because it becomes part of paths."""
    with pytest.raises(CannotRunError, match="WHARF_INSTANCE"):
        settings(WHARF_INSTANCE=name)


@pytest.mark.parametrize("path", ["/a b", "/a;b", "/a$b", '/a"b', "/a\nb", "/a{b"])
def test_a_path_that_nginx_cannot_name(path: str) -> None:
    """A data path with a character that ends a word of nginx's configuration is refused."""
    with pytest.raises(CannotRunError, match="WHARF_DATA"):
        settings(WHARF_DATA=path)


def test_a_relative_path_starts_at_the_checkout() -> None:
    """A relative WHARF_DATA begins at the checkout, wherever the command runs."""
    assert settings(WHARF_DATA="./data/../x").data == "/srv/wharf/x"


def test_every_name_is_allowed_without_hosts() -> None:
    """Without WHARF_HOSTS each Host is served, and no server refuses other hosts."""
    assert server_name("") == "server_name _;"
    assert refuse_other_hosts(" , ") == ""


def test_hosts_allow_loopback_too() -> None:
    """With WHARF_HOSTS loopback names are also served, because the services use them."""
    assert server_name("Files.example.org, *.example.net") == (
        "server_name localhost 127.0.0.1 [::1] files.example.org *.example.net;"
    )
    assert "other_hosts.conf" in refuse_other_hosts("files.example.org")


@pytest.mark.parametrize("host", ["a;b", "a b", "a{", "$host", "~^.*$", "ä.de"])
def test_a_host_that_is_none(host: str) -> None:
    """A value that is no host name is refused before it reaches nginx's configuration."""
    with pytest.raises(CannotRunError, match="WHARF_HOSTS"):
        server_name(host)


def test_gateway_values_are_checked() -> None:
    """Each numeric setting of the gateway refuses other text, so it cannot add a directive."""
    for row in GATEWAY_SETTINGS:
        if row.minimum is not None:
            with pytest.raises(CannotRunError, match=row.name):
                gateway_values({row.name: "1; x"}, templates="/", as_root=False)


def test_what_waits_follows_what_is_refused() -> None:
    """The limits that delay requests follow the limits that refuse them, unless they are set."""
    usual = gateway_values({}, templates="/", as_root=False)
    assert usual["WHARF_CREDENTIAL_WRITES_PER_SECOND"] == "200"
    assert usual["WHARF_ADDRESS_LOGINS_PER_SECOND"] == "10"
    opened = gateway_values(
        {
            "WHARF_CREDENTIAL_REQUESTS_PER_SECOND": "5000",
            "WHARF_ADDRESS_REQUESTS_PER_SECOND": "50",
            "WHARF_ADDRESS_REQUESTS_BURST": "0",
            "WHARF_CREDENTIAL_WRITES_WAITING": "80",
        },
        templates="/",
        as_root=False,
    )
    assert opened["WHARF_CREDENTIAL_WRITES_PER_SECOND"] == "1000"
    assert opened["WHARF_CREDENTIAL_WRITES_WAITING"] == "80"
    assert opened["WHARF_CREDENTIAL_WRITES_WAITING_AT_ONCE"] == "10"
    # nginx accepts no rate below one.
    assert opened["WHARF_ADDRESS_LOGINS_PER_SECOND"] == "1"
    assert opened["WHARF_ADDRESS_LOGINS_WAITING"] == "1"


def test_root_keeps_nginx_as_root() -> None:
    """nginx's configuration has the directive `user` only if the gateway runs as root."""
    as_root = gateway_values({}, templates="/", as_root=True)
    as_user = gateway_values({}, templates="/", as_root=False)
    assert as_root["WHARF_NGINX_USER"] == "user root;"
    assert as_user["WHARF_NGINX_USER"] == ""


def test_the_tables_for_the_documentation() -> None:
    """Each setting is one row of the table, with default and meaning."""
    for table in (RUN_SETTINGS, GATEWAY_SETTINGS):
        lines = markdown(table).splitlines()
        assert len(lines) == len(table) + 2
        assert {line.count("|") for line in lines} == {5}
        assert all(row.meaning for row in table)


def test_allowed_words() -> None:
    """A setting accepts its allowed words and numbers, and refuses other words."""
    setting = Setting("WHARF_X", "auto", "", "x", minimum=1, words=("auto",))
    assert setting.read({}) == "auto"
    assert setting.read({"WHARF_X": "3"}) == "3"
    with pytest.raises(CannotRunError, match="auto or a whole number from 1 or more"):
        setting.read({"WHARF_X": "many"})
