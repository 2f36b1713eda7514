"""Tests of the release gate: whether all live replicas have at least a given release."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.servers.rounds import Rounds
from wharf_upload import __version__
from wharf_upload.maintenance.replicas import Replicas, release_of

LOST_SECONDS = 300.0


@pytest.fixture
def replicas(tmp_path: Path) -> Replicas:
    """Return the replicas of one WHARF_DATA, as the current release sees them."""
    return Replicas(tmp_path)


def announced(data: Path, name: str, version: str) -> Path:
    """Let another replica announce itself, and return its file."""
    Replicas(data, version=version).announce(name)
    return data / "replicas" / name


def aged(path: Path, seconds: float) -> None:
    """Set the file's time to this many seconds ago."""
    moment = time.time() - seconds
    os.utime(path, (moment, moment))


def test_a_replica_says_its_release(replicas: Replicas, tmp_path: Path) -> None:
    """A replica's file begins with its version, and only its owner can read it."""
    replicas.announce("r-1")
    path = tmp_path / "replicas" / "r-1"
    version, at = path.read_text().split()
    assert version == __version__
    assert abs(int(at) - path.stat().st_mtime) <= 1
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert replicas.all_at_least(__version__, LOST_SECONDS)


def test_the_first_start(tmp_path: Path) -> None:
    """A replica can announce itself before WHARF_DATA exists."""
    replicas = Replicas(tmp_path / "new" / "data")
    assert list(replicas.silent_ones(0)) == []
    replicas.announce("r-1")
    assert replicas.silent_seconds("r-1") is not None


def test_a_word_is_said_anew(replicas: Replicas, tmp_path: Path) -> None:
    """A repeated announcement renews its time.

    An announcement that is more than 30 s older than the time of its file is ignored.
    """
    replicas.announce("r-1")
    path = tmp_path / "replicas" / "r-1"
    path.write_text(f"{__version__} {int(path.stat().st_mtime) - 20}\n")
    replicas.announce("r-1")
    said = int(path.read_text().split()[1])
    assert abs(said - path.stat().st_mtime) <= 1
    for seconds, counts in ((30, True), (31, False)):
        os.utime(path, (said + seconds, said + seconds))
        assert (seconds, replicas.all_at_least("0.0.1", 1e9)) == (seconds, counts)


def test_again_and_again(
    replicas: Replicas, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A replica announces itself every ten seconds until it stops, even after a disk error."""
    (tmp_path / "replicas").write_text("no folder")

    class Mended(Rounds):
        """Rounds in whose first pause the disk is repaired."""

        def wait(self, timeout: float | None = None) -> bool:
            if not self.pauses:
                (tmp_path / "replicas").unlink()
            return super().wait(timeout)

    stop = Mended(2)
    replicas.announce_until(stop, "r-1")
    assert stop.pauses == [10.0] * 3
    assert caplog.messages == ["cannot announce this replica: Not a directory"]
    assert replicas.silent_seconds("r-1") is not None


@pytest.mark.parametrize(
    ("others", "passes"),
    [
        ((), True),
        (("0.3.0",), True),
        (("0.3.1.dev0", "0.10.0", "1.0.0"), True),
        (("0.3.0rc1",), True),
        (("0.2.9",), False),
        (("0.3.0", "0.2.0.dev0"), False),
    ],
)
def test_all_that_live(tmp_path: Path, others: tuple[str, ...], *, passes: bool) -> None:
    """The gate opens if every replica has at least the release; releases compare as numbers."""
    announced(tmp_path, "own", "0.3.0")
    for number, version in enumerate(others):
        announced(tmp_path, f"r-{number}", version)
    assert Replicas(tmp_path).all_at_least("0.3.0", LOST_SECONDS) is passes


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n",
        "0.3.0",
        "0.3.0 soon",
        "0.3 1",
        "0.3.0 1 2",
        "three 1",
        "-1.3.0 1",
        "\0\0\0\0",
        "é 1",
        "9" * 5000,
        "0.3.0 " + "9" * 5000,
    ],
)
def test_what_no_release_can_be_read_from(replicas: Replicas, tmp_path: Path, content: str) -> None:
    """A damaged file, or an empty file as from 0.1.0, counts as older than any release."""
    replicas.announce("own")
    other = tmp_path / "replicas" / "other"
    other.write_text(content, encoding="utf-8")
    assert not replicas.all_at_least("0.0.1", LOST_SECONDS)
    other.unlink()
    assert replicas.all_at_least("0.0.1", LOST_SECONDS)


def test_words_of_newer_releases(replicas: Replicas, tmp_path: Path) -> None:
    """The release is read from a file to which a newer release has added more words."""
    replicas.announce("own")
    other = announced(tmp_path, "other", "0.3.0")
    other.write_text(f"{other.read_text().strip()} s3=1 {'x' * 100} é\n", encoding="utf-8")
    assert replicas.all_at_least("0.2.0.dev0", LOST_SECONDS)
    assert not Replicas(tmp_path).all_at_least("0.3.1", LOST_SECONDS)


def test_dead_replicas_do_not_count(replicas: Replicas, tmp_path: Path) -> None:
    """A dead old replica does not close the gate, and a live old replica closes it."""
    replicas.announce("own")
    other = announced(tmp_path, "other", "0.0.1")
    aged(other, LOST_SECONDS - 20)
    assert not replicas.all_at_least("0.2.0", LOST_SECONDS)
    aged(other, LOST_SECONDS + 20)
    assert replicas.all_at_least("0.2.0", LOST_SECONDS)


def test_the_last_second(tmp_path: Path) -> None:
    """A replica that is silent for exactly the limit counts as alive."""
    path = announced(tmp_path, "other", "0.3.0")
    path.write_text("0.3.0 1795000000\n")
    os.utime(path, (1_795_000_000,) * 2)
    replicas = Replicas(tmp_path, lambda: 1_795_000_000 + LOST_SECONDS)
    assert replicas.all_at_least("0.3.0", LOST_SECONDS)
    assert not replicas.all_at_least("0.3.0", LOST_SECONDS - 1)
    assert list(replicas.silent_ones(LOST_SECONDS)) == []
    assert list(replicas.silent_ones(LOST_SECONDS - 1)) == ["other"]


def test_nobody_is_known(replicas: Replicas, tmp_path: Path) -> None:
    """Without any live replica, or with an unreadable folder, the gate is closed."""
    assert not replicas.all_at_least("0.0.1", LOST_SECONDS)
    replicas.announce("own")
    aged(tmp_path / "replicas" / "own", LOST_SECONDS + 20)
    assert not replicas.all_at_least("0.0.1", LOST_SECONDS)
    (tmp_path / "replicas" / "own").unlink()
    (tmp_path / "replicas").rmdir()
    (tmp_path / "replicas").write_text("")
    assert not replicas.all_at_least("0.0.1", LOST_SECONDS)


def test_two_releases_under_one_name(tmp_path: Path) -> None:
    """While two processes announce one name, the older release counts.

    The newer release counts 31 s after the last announcement of the older release.
    """
    path = announced(tmp_path, "native", "0.2.0")
    for version in ("0.3.0", "0.2.0", "0.3.0"):
        announced(tmp_path, "native", version)
        assert path.read_text().split()[0] == "0.2.0"
    later = int(path.read_text().split()[1]) - 31
    path.write_text(f"0.2.0 {later}\n")
    announced(tmp_path, "native", "0.3.0")
    assert path.read_text().split()[0] == "0.3.0"
    announced(tmp_path, "native", "0.2.0")
    assert path.read_text().split()[0] == "0.2.0"


def test_a_release_that_is_taken_back_to_the_first(replicas: Replicas, tmp_path: Path) -> None:
    """Release 0.1.0 only touches the file of a newer release.

    So the newer release's announcement is soon ignored, and counts again when the newer release
    announces itself.
    """
    replicas.announce("native")
    path = tmp_path / "replicas" / "native"
    future = path.stat().st_mtime + 31
    os.utime(path, (future, future))
    assert not replicas.all_at_least("0.0.1", LOST_SECONDS)
    replicas.announce("native")
    assert replicas.all_at_least("0.0.1", LOST_SECONDS)


def test_the_file_stays_one_line(tmp_path: Path) -> None:
    """A shorter version leaves nothing of a longer one in the file."""
    path = announced(tmp_path, "r", "10.20.30.dev12345")
    announced(tmp_path, "r", "1.2.3")
    assert path.read_text() == f"1.2.3 {path.read_text().split()[1]}\n"


@pytest.mark.parametrize("version", ["", "1", "1.2", "1.2.x", "v1.2.3", "1.2.3 ", "1.2.3\n"])
def test_what_is_no_version(replicas: Replicas, version: str) -> None:
    """A gate for an invalid version raises ValueError."""
    with pytest.raises(ValueError, match="no version"):
        replicas.all_at_least(version, LOST_SECONDS)
    with pytest.raises(ValueError, match="no version"):
        release_of(version)
