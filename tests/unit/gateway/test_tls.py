"""Settings and files of TLS."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from cryptography import x509

from tests.servers.certificates import Certificate
from wharf_gateway import cli, nginx_program, readiness, tls, tls_watch
from wharf_gateway.first_process import Reloads
from wharf_gateway.metrics_file import MetricsFile
from wharf_gateway.run_settings import RunSettings
from wharf_gateway.terminal import CannotRunError
from wharf_gateway.tls_watch import PATIENCE_SECONDS, CertificateWatch


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Return a certificate that no test changes."""
    return Certificate(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Return a certificate that differs from `made`."""
    return Certificate(tmp_path_factory.mktemp("other"))


def environ(certificate: Certificate, **more: str) -> dict[str, str]:
    files = {"WHARF_TLS_CERTIFICATE": certificate.chain, "WHARF_TLS_KEY": certificate.key}
    return {name: str(path) for name, path in files.items()} | more


def test_without_files_nothing_changes() -> None:
    """Without certificate files the configuration has no TLS, and nginx's version is not read."""
    values = tls.template_values({"PATH": "/nowhere"})
    empty = {name for name, value in values.items() if not value}
    assert {"WHARF_LISTEN_TLS", "WHARF_TLS", "WHARF_TLS_SERVER", "WHARF_REDIRECT_SERVER"} <= empty
    assert RunSettings({}, root="/srv").url == "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("version", "listen", "directive"),
    [((1, 22, 1), " ssl http2", False), ((1, 25, 1), " ssl", True), ((1, 30, 4), " ssl", True)],
)
def test_http2_is_switched_on_as_this_nginx_wants_it(
    made: Certificate,
    monkeypatch: pytest.MonkeyPatch,
    version: tuple[int, int, int],
    listen: str,
    directive: bool,  # noqa: FBT001
) -> None:
    """HTTP/2 is a parameter of `listen` before nginx 1.25.1, and a directive from 1.25.1 on."""
    monkeypatch.setattr(nginx_program, "version", lambda _: version)
    values = tls.template_values(environ(made))
    assert values["WHARF_LISTEN_TLS"] == listen
    assert ("http2 on;" in values["WHARF_TLS_SERVER"]) is directive
    assert RunSettings(environ(made), root="/srv").url == "https://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"WHARF_TLS_KEY": ""}, "WHARF_TLS_KEY is not set"),
        ({"WHARF_TLS_CERTIFICATE": ""}, "WHARF_TLS_CERTIFICATE is not set"),
        ({"WHARF_TLS_CERTIFICATE": "server.pem"}, "WHARF_TLS_CERTIFICATE='server.pem': allowed"),
        ({"WHARF_TLS_KEY": "/a b"}, "WHARF_TLS_KEY='/a b': allowed"),
        ({"WHARF_TLS_KEY": "/a;}"}, "WHARF_TLS_KEY='/a;}': allowed"),
        ({"WHARF_TLS_KEY": "/none"}, "WHARF_TLS_KEY='/none': No such file"),
        ({"WHARF_HSTS_SECONDS": "x"}, "WHARF_HSTS_SECONDS='x': allowed"),
        ({"WHARF_REDIRECT_PORT": "0"}, "WHARF_REDIRECT_PORT='0': allowed"),
    ],
)
def test_wrong_settings(made: Certificate, settings: dict[str, str], said: str) -> None:
    """A wrong setting is refused with the name of its variable."""
    with pytest.raises(CannotRunError) as refused:
        tls.template_values(environ(made) | settings)
    assert str(refused.value).startswith(said)


def test_a_redirect_without_tls() -> None:
    """A redirect without TLS is refused, and so is a redirect on the public port."""
    with pytest.raises(CannotRunError, match="WHARF_REDIRECT_PORT is set without"):
        tls.template_values({"WHARF_REDIRECT_PORT": "80"})
    with pytest.raises(CannotRunError, match="must differ from WHARF_PORT"):
        RunSettings({"WHARF_REDIRECT_PORT": "8080"}, root="/srv")


def _swap(one: Certificate, two: Certificate, folder: Path) -> tls.Files:
    del folder
    return tls.Files(str(one.chain), str(two.key))


def _open_key(one: Certificate, _: Certificate, folder: Path) -> tls.Files:
    key = folder / "open.key"
    shutil.copy(one.key, key)
    key.chmod(0o644)
    return tls.Files(str(one.chain), str(key))


def _no_pem(one: Certificate, _: Certificate, folder: Path) -> tls.Files:
    (folder / "bad.pem").write_text("junk")
    return tls.Files(str(folder / "bad.pem"), str(one.key))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_swap, "not a certificate and its key"),
        (_open_key, "is open to all users"),
        (_no_pem, "not a certificate and its key"),
    ],
)
def test_files_that_are_no_pair(
    made: Certificate,
    other: Certificate,
    tmp_path: Path,
    make: Callable[[Certificate, Certificate, Path], tls.Files],
    said: str,
) -> None:
    """Another certificate's key, a key that all users may read, and a file without PEM fail."""
    assert said in tls.fault(make(made, other, tmp_path))
    assert tls.fault(tls.Files(str(made.chain), str(made.key))) == ""


def test_a_group_may_read_the_key(made: Certificate, tmp_path: Path) -> None:
    """The key's group may read the key, as in secrets that Kubernetes mounts."""
    key = tmp_path / "group.key"
    shutil.copy(made.key, key)
    key.chmod(0o440)
    assert tls.fault(tls.Files(str(made.chain), str(key))) == ""


@pytest.mark.parametrize(
    ("settings", "port"),
    [
        ({}, ":8080"),
        ({"WHARF_PORT": "443"}, ""),
        ({"WHARF_ISSUER": "https://files.example/auth"}, ""),
        ({"WHARF_ISSUER": "https://files.example:8443/auth"}, ":8443"),
        ({"WHARF_ISSUER": "http://files.example/auth", "WHARF_PORT": "8444"}, ":8444"),
    ],
)
def test_where_browsers_are_sent(settings: dict[str, str], port: str) -> None:
    """A redirect leads to the port of an HTTPS issuer, or otherwise to the port of nginx."""
    assert tls.template_values(settings)["WHARF_TLS_PORT"] == port


class Watched:
    """A certificate and key that are watched, and the number of nginx's reloads."""

    def __init__(self, first: Certificate, folder: Path) -> None:
        self.files = tls.Files(str(folder / "crt"), str(folder / "key"))
        self.metrics, self.reloads, self.can_reload = folder / "metrics", 0, True
        self.put(first)
        metrics = MetricsFile(str(self.metrics))
        self.watch = CertificateWatch(self.files, self._reload, metrics)

    def _reload(self) -> bool:
        self.reloads += self.can_reload
        return self.can_reload

    def put(self, certificate: Certificate, *, key: bool = True) -> None:
        """Replace both files, or only the certificate."""
        for source, target in (
            (certificate.chain, self.files.certificate),
            (certificate.key, self.files.key),
        )[: 1 + key]:
            new = Path(f"{target}.new")
            shutil.copy(source, new)
            new.replace(target)

    @property
    def refused(self) -> bool:
        return "wharf_tls_certificate_refused 1\n" in self.metrics.read_text()


def test_a_changed_pair_is_loaded_once(
    made: Certificate, other: Certificate, tmp_path: Path
) -> None:
    """A changed pair of certificate and key is loaded once, and an unchanged pair is not loaded."""
    watched = Watched(made, tmp_path)
    watched.watch.look(0)
    assert watched.reloads == 0
    watched.put(other)
    watched.watch.look(10)
    watched.watch.look(20)
    assert watched.reloads == 1


def test_half_a_change_waits_for_the_rest(
    made: Certificate, other: Certificate, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A certificate is loaded without a message if its key follows within `PATIENCE_SECONDS`."""
    watched = Watched(made, tmp_path)
    watched.put(other, key=False)
    watched.watch.look(1)
    assert (watched.reloads, watched.refused) == (0, False)
    watched.put(other)
    watched.watch.look(2)
    assert (watched.reloads, watched.refused) == (1, False)
    assert "not loaded" not in "".join(capfd.readouterr())


def test_a_bad_pair_is_refused_and_said_once(
    made: Certificate, other: Certificate, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A bad pair of files is logged once, and the metric is set until the files are good again."""
    watched = Watched(made, tmp_path)
    watched.put(other, key=False)
    for now in range(1, 5):
        watched.watch.look(now * PATIENCE_SECONDS)
    assert (watched.reloads, watched.refused) == (0, True)
    assert "".join(capfd.readouterr()).count("not loaded") == 1
    watched.put(made)
    watched.watch.look(6 * PATIENCE_SECONDS)
    assert (watched.reloads, watched.refused) == (1, False)


def test_a_reload_that_fails_is_tried_again(
    made: Certificate, other: Certificate, tmp_path: Path
) -> None:
    """If the reload of a good pair fails, the pair counts as refused; the reload is repeated."""
    watched = Watched(made, tmp_path)
    watched.put(other)
    watched.can_reload = False
    for now in (1, 1 + PATIENCE_SECONDS):
        watched.watch.look(now)
    assert watched.refused
    watched.can_reload = True
    watched.watch.look(2 * PATIENCE_SECONDS + 1)
    assert (watched.reloads, watched.refused) == (1, False)


def test_a_container_says_whether_it_has_reloaded() -> None:
    """`ask` sends a signal, and returns whether the signalled process has reloaded nginx."""
    reloads = Reloads()
    for done in (True, False):
        with mock.patch.object(
            os, "kill", side_effect=lambda *_, done=done: reloads.tell(done=done)
        ):
            assert reloads.ask() is done


def test_a_bad_pair_makes_no_gateway_unhealthy(
    made: Certificate, other: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad pair does not make the container unhealthy, because nginx keeps the old certificate."""
    monkeypatch.setattr(readiness, "not_ready", lambda *_, **__: None)
    assert cli.health(environ(made, WHARF_DATA="/data", WHARF_TLS_KEY=str(other.key))) == 0


def test_when_it_expires(made: Certificate, tmp_path: Path) -> None:
    """The expiry in the metrics is the certificate's, or 0 for a file that is no certificate."""
    (certificate,) = x509.load_pem_x509_certificates(made.chain.read_bytes())
    assert tls_watch.expires(str(made.chain)) == certificate.not_valid_after_utc.timestamp()
    for text in ("", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        (tmp_path / "bad").write_text(text)
        assert tls_watch.expires(str(tmp_path / "bad")) == 0
