"""The environment that the native runner gives to the services."""

from __future__ import annotations

from wharf_gateway.run_settings import RunSettings
from wharf_native.places import Places
from wharf_native.plan import service_environment, template_values


def test_services_fetch_keys_without_tls() -> None:
    """With TLS the issuer is an HTTPS URL, but services fetch keys over the internal port."""
    files = {"WHARF_TLS_CERTIFICATE": "/c.pem", "WHARF_TLS_KEY": "/k.pem"}
    run = RunSettings({"WHARF_PORT": "9000", **files}, root="/srv/wharf")
    seen = service_environment(run, Places(run.data, files), files)
    assert seen["WHARF_ISSUER"] == "https://127.0.0.1:9000/auth"
    assert seen["WHARF_JWKS_URL"] == "http://127.0.0.1:9001/jwks"


def test_what_services_see() -> None:
    """Services get all variables of the runner, and the same paths as the gateway."""
    environ = {"WHARF_LOG_LEVEL": "debug", "HOME": "/h", "WHARF_ISSUER": ""}
    run = RunSettings({"WHARF_PORT": "9000"}, root="/srv/wharf")
    places = Places(run.data, environ)
    values = template_values(run, places, environ)
    seen = service_environment(run, places, environ)
    assert seen["WHARF_LOG_LEVEL"] == "debug"
    assert seen["HOME"] == "/h"
    assert seen["WHARF_ISSUER"] == "http://127.0.0.1:9000/auth"
    assert seen["WHARF_JWKS_URL"] == "http://127.0.0.1:9000/.well-known/jwks.json"
    for name in ("WHARF_AUTH_SOCKET", "WHARF_AUTH_SECRETS_SOCKET"):
        assert values[name] == f"unix:{seen[name]}"
    assert values["WHARF_CONSOLE_SOCKET"] == f"unix:{seen['WHARF_CONSOLE_SOCKET']}"
    assert values["WHARF_CONSOLE_DOOR"] == f"unix:{seen['WHARF_CONSOLE_DOOR']}"
    assert values["WHARF_IMAGES_SOCKET"] == f"unix:{seen['WHARF_IMAGES_SOCKET']}"
    assert values["WHARF_IMAGES_BLOBS_SOCKET"] == f"unix:{seen['WHARF_IMAGES_BLOBS_SOCKET']}"
    assert values["WHARF_PICTURES_FOLDER"] == "/srv/wharf/var/pictures/native"
    assert values["WHARF_SPOOL"] == seen["WHARF_SPOOL"] == "/srv/wharf/var/spool/native"


def test_a_given_issuer_is_kept() -> None:
    """An issuer that the operator sets is kept."""
    environ = {"WHARF_ISSUER": "https://files.example.org/auth"}
    run = RunSettings({}, root="/srv/wharf")
    places = Places(run.data, environ)
    seen = service_environment(run, places, environ)
    assert seen["WHARF_ISSUER"] == "https://files.example.org/auth"


def test_where_connections_begin_with_a_proxys_line() -> None:
    """If connections on the public port begin with PROXY lines, keys come by the internal port."""
    environ = {"WHARF_PROXY_HEADER": "PROXY", "WHARF_TRUSTED_PROXIES": "192.0.2.7"}
    run = RunSettings({**environ, "WHARF_PORT": "9000"}, root="/srv/wharf")
    seen = service_environment(run, Places(run.data, environ), environ)
    assert seen["WHARF_JWKS_URL"] == "http://127.0.0.1:9001/jwks"
