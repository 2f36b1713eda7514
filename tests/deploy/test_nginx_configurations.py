"""Every configuration that the templates can produce, checked by nginx and gixy."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.servers.certificates import Certificate
from wharf_gateway.container import Gateway
from wharf_gateway.nginx import nginx_command, render_configuration
from wharf_gateway.run_settings import RunSettings
from wharf_native.places import Places
from wharf_native.plan import template_values

ROOT = Path(__file__).resolve().parents[2]

# Settings that change the structure of the configuration, and not only a number in it.
SETTINGS: dict[str, dict[str, str]] = {
    "defaults": {},
    "hosts": {"WHARF_HOSTS": "files.example.net,*.example.org"},
    "content origin": {"WHARF_CONTENT_ORIGIN": "https://content.example.net"},
    "hosts and content origin": {
        "WHARF_HOSTS": "files.example.net",
        "WHARF_CONTENT_ORIGIN": "https://content.example.net",
        "WHARF_NGINX_WORKERS": "2",
    },
    "object store": {
        "WHARF_BLOB_URL": "s3://blobs/wharf?endpoint=https://localhost:8443",
        "WHARF_CONTENT_ORIGIN": "https://content.example.net",
    },
    "object store without TLS": {
        "WHARF_BLOB_OLD_URL": "s3://blobs?endpoint=http://[::1]:8000&region=eu-1",
    },
    "proxies": {"WHARF_TRUSTED_PROXIES": "192.0.2.7,2001:db8::/32"},
    "proxies that speak PROXY": {
        "WHARF_TRUSTED_PROXIES": "192.0.2.7",
        "WHARF_PROXY_HEADER": "PROXY",
        "WHARF_HOSTS": "files.example.net",
        "WHARF_CONTENT_ORIGIN": "https://content.example.net",
    },
    "TLS": {
        "WHARF_TLS_CERTIFICATE": "{run}/server.pem",
        "WHARF_TLS_KEY": "{run}/server.key",
        "WHARF_REDIRECT_PORT": "8079",
        "WHARF_CONTENT_ORIGIN": "https://content.example.net",
        "WHARF_HOSTS": "files.example.net",
    },
    "replicas apart": {"WHARF_DATA_SHARED": "false", "WHARF_REPLICA_DOOR": "127.0.0.1:8089"},
}
ONLY_CONTAINERS: dict[str, dict[str, str]] = {
    "auth by port": {"WHARF_AUTH_SOCKET": "127.0.0.1:3031"},
    "front door": {
        "WHARF_FRONT_DOOR": "{run}/door.sock",
        "WHARF_CONTENT_ORIGIN": "https://content.example.net",
    },
    "front door by TLS": {
        "WHARF_FRONT_DOOR": "{run}/door.sock",
        "WHARF_TLS_CERTIFICATE": "{run}/server.pem",
        "WHARF_TLS_KEY": "{run}/server.key",
    },
    "front door and hosts": {
        "WHARF_FRONT_DOOR": "{run}/door.sock",
        "WHARF_HOSTS": "files.example.net",
        "WHARF_TRUSTED_PROXIES": "192.0.2.7,2001:db8::/32",
    },
    "console": {
        "WHARF_CONSOLE_SOCKET": "/run/wharf/console/console.sock",
        "WHARF_CONSOLE_DOOR": "{run}/console-door.sock",
    },
    "console by port": {
        "WHARF_CONSOLE_SOCKET": "127.0.0.1:3033",
        "WHARF_CONSOLE_DOOR": "127.0.0.1:8086",
        "WHARF_HOSTS": "files.example.net",
    },
    "pictures": {
        "WHARF_IMAGES_SOCKET": "{run}/images.sock",
        "WHARF_CONTENT_ORIGIN": "https://content.example.net",
    },
    "pictures of an object store": {
        "WHARF_IMAGES_SOCKET": "{run}/images.sock",
        "WHARF_BLOB_URL": "s3://blobs?endpoint=https://localhost&style=path",
        "WHARF_BLOB_OLD_URL": "disk",
    },
    "live channel": {"WHARF_LIVE_SOCKET": "/run/wharf/upload/live.sock"},
    "IPv6": {"WHARF_HOST": "::1", "WHARF_AUTH_SOCKET": "[::1]:3031"},
}

# Findings of gixy that are intended, each with its reason.
MEANT = {
    "host_spoofing": "the live channel compares Origin with the host as the browser wrote it, its "
    "port included; which hosts are served is decided before (WHARF_HOSTS)",
    "add_header_redefinition": "a location that adds fields includes security_headers.conf once "
    "more, or what replaces it; tests/e2e look at the fields of the answers",
    "status_page_exposed": "on the internal port, which answers whoever reaches it by design "
    "(docs/metrics.md)",
    "try_files_is_evil_too": 'they are `try_files "" @name`: the way into a named location behind '
    "admission, which looks for no file",
    "proxy_pass_normalized": "to this nginx's own socket with names that the server made, of "
    "hexadecimal digits and slashes: nothing in them is decoded",
    "ssrf": "the address at the object store begins with a slash (conf.d/object_store.conf): it "
    "follows the name of an upstream, and chooses no server",
    "missing_resolver": "that upstream's addresses: nginx's parent looks them up, and reloads",
}


def given(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return the settings with the test's folder, and create the certificate that they name."""
    if "WHARF_TLS_KEY" in environ:
        Certificate(folder)
    return {name: value.format(run=folder) for name, value in environ.items()}


def native(environ: Mapping[str, str], folder: Path) -> Path:
    """Return the native runner's configuration."""
    data, environ = folder / "data", given(environ, folder)
    settings = RunSettings({**environ, "WHARF_DATA": str(data)}, root=str(ROOT))
    places = Places(settings.data, environ)
    places.create()
    render_configuration(str(ROOT), places.nginx, template_values(settings, places, environ))
    return Path(places.nginx)


def container(environ: Mapping[str, str], folder: Path) -> Path:
    """Return the gateway image's configuration, which `prepare` has already tested with nginx."""
    run = folder / "run"
    sockets = folder / "upload"
    sockets.mkdir()
    own = {
        "WHARF_DATA": str(folder / "data"),
        "WHARF_GATEWAY_RUN": str(run),
        "WHARF_SOCKETS": str(sockets),
    }
    environ = {**own, "PATH": os.environ["PATH"], **given(environ, folder)}
    Gateway(environ, root=str(ROOT)).prepare()
    return run


Render = Callable[[Mapping[str, str], Path], Path]
ALL = [
    *(pytest.param(native, value, id=f"native, {name}") for name, value in SETTINGS.items()),
    *(
        pytest.param(container, value, id=f"container, {name}")
        for name, value in (SETTINGS | ONLY_CONTAINERS).items()
    ),
]


def known_to_gixy(source: Path, target: Path) -> Path:
    """Return a copy without possessive quantifiers, which gixy cannot parse.

    Possessive quantifiers change the time that an expression takes. In these files they do not
    change the strings that it matches.
    """
    shutil.copytree(source, target, ignore=lambda _, names: [n for n in names if "sock" in n])
    for path in target.rglob("*.conf"):
        text = path.read_text().replace(str(source), str(target))
        path.write_text(re.sub(r"([+*?}])\+", r"\1", text))
    return target / "nginx.conf"


def gixy(configuration: Path) -> dict[str, str]:
    """Return the names of checks with findings, each with one of its findings."""
    done = subprocess.run(
        [Path(sys.executable).with_name("gixy"), "--format", "json", configuration],
        capture_output=True,
        text=True,
        check=False,
    )
    # gixy ends with 1 if there are findings, and writes no list if it cannot read the
    # configuration.
    found = json.loads(done.stdout or "null")
    assert isinstance(found, list), done.stderr
    return {one["plugin"]: f"{one['severity']} {one['reason']}\n{one['config']}" for one in found}


@pytest.mark.parametrize(("render", "environ"), ALL)
def test_nginx_and_gixy_have_nothing_to_say(
    render: Render, environ: dict[str, str], tmp_path: Path
) -> None:
    """nginx reports no warning in any configuration, and gixy only intended findings."""
    run = render(environ, tmp_path)
    command = [*nginx_command(str(run), os.environ), "-t", "-q"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found = gixy(known_to_gixy(run, tmp_path / "copy"))
    assert {name: text for name, text in found.items() if name not in MEANT} == {}


def test_every_exception_is_still_needed(tmp_path: Path) -> None:
    """Every exception is still needed, so none can hide a new mistake."""
    run = native(SETTINGS["hosts and content origin"] | SETTINGS["object store"], tmp_path)
    assert set(gixy(known_to_gixy(run, tmp_path / "copy"))) == set(MEANT)


def test_gixy_sees_a_mistake(tmp_path: Path) -> None:
    """gixy finds an alias without its slash in a snippet, through all the includes."""
    run = native({}, tmp_path)
    snippet = run / "snippets/blobs.conf"
    snippet.write_text(snippet.read_text().replace("location /_blobs/ {", "location /_blobs {"))
    assert "alias_traversal" in gixy(known_to_gixy(run, tmp_path / "copy"))
