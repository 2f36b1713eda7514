"""Settings of the images service, and its start when the kernel lacks a part of the sandbox."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from servicekit.settings import SettingsError
from wharf_images import bootstrap, settings
from wharf_images.metrics import Metrics
from wharf_images.sandbox import kernel, seccomp


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> settings.Settings:
    """Read the settings from these variables."""
    for name, value in variables.items():
        monkeypatch.setenv(f"WHARF_{name}", value)
    return settings.read()


def test_sockets_are_in_their_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without settings the sockets are in the folder of sockets."""
    found = read(monkeypatch, SOCKETS="/run/wharf", IMAGES_SOCKET="", IMAGES_BLOBS_SOCKET="/x.sock")
    assert (found.socket, found.blobs_socket) == ("/run/wharf/images.sock", "/x.sock")


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"IMAGES_SOCKET": "/a.sock"},
        {"SOCKETS": "relative"},
        {"SOCKETS": "/run", "IMAGES_SANDBOX": "off"},
        {"SOCKETS": "/run", "IMAGES_WORKERS": "0"},
        {"SOCKETS": "/run", "IMAGES_INTERNAL": "8087"},
        {"SOCKETS": "/run", "IMAGES_INTERNAL": ":http"},
        {"SOCKETS": "/run", "IMAGES_INTERNAL": ":70000"},
    ],
)
def test_settings_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    """A setting that cannot be used is refused with the name of its variable."""
    with pytest.raises(SettingsError, match="WHARF_"):
        read(monkeypatch, **variables)


@pytest.mark.parametrize(("mode", "found"), [("auto", 0), ("auto", 4), ("require", 4)])
def test_landlock_is_used_where_it_is(
    monkeypatch: pytest.MonkeyPatch, mode: str, found: int
) -> None:
    """Landlock is used if the kernel has it; with `auto` the service starts without it."""
    monkeypatch.setattr(kernel, "landlock_abi", lambda: found)
    assert bootstrap.landlock_version(mode) == found


def test_landlock_may_be_required(monkeypatch: pytest.MonkeyPatch) -> None:
    """With `require` and without Landlock the service does not start; one line gives the reason."""
    monkeypatch.setattr(kernel, "landlock_abi", lambda: 0)
    with pytest.raises(SettingsError, match="WHARF_IMAGES_SANDBOX=require: the kernel has no"):
        bootstrap.landlock_version("require")


def test_a_kernel_without_landlock_is_one_line_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without Landlock the service logs one warning and starts; with Landlock it logs none."""
    served: list[int] = []
    monkeypatch.setattr(bootstrap, "_serve", lambda _, sandbox, version: served.append(version))
    for version in (0, 4):
        monkeypatch.setattr(kernel, "landlock_abi", lambda found=version: found)
        bootstrap.serve(read(monkeypatch, SOCKETS="/run"))
    assert served == [0, 4]
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "has no Landlock" in record.getMessage()


@pytest.mark.parametrize(
    ("name", "lacking"), [("has_seccomp", lambda: False), ("machine", lambda: "sparc64")]
)
def test_seccomp_is_always_required(
    monkeypatch: pytest.MonkeyPatch, name: str, lacking: Callable[[], object]
) -> None:
    """seccomp is required in each mode, because a sandbox of limits alone is not enough."""
    monkeypatch.setattr(kernel, name, lacking)
    with pytest.raises(SettingsError, match="has no seccomp filters"):
        bootstrap.landlock_version("auto")


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_filter_ends_each_of_its_ways(machine: str) -> None:
    """Each jump in the seccomp filter's program stays inside the program, on both processors."""
    program = list(seccomp.instructions(machine, 4711))
    assert len(program) < 256
    for place, (operation, yes, no, _) in enumerate(program):
        if operation & 0x07 == 0x05:  # the operation is a jump
            assert place + 1 + max(yes, no) < len(program)
    assert program[-1] == (0x06, 0, 0, 0x80000000)


def test_metrics_are_what_prometheus_reads() -> None:
    """From the start the metrics have each outcome, and the buckets are cumulative."""
    metrics = Metrics("1")
    metrics.gauges["wharf_images_busy"] = ("Busy.", lambda: [("", 2)])
    metrics.answered("made", 0.03)
    metrics.answered("busy", 100)
    metrics.answered("no-preview", 0.01)
    metrics.no_preview("broken")
    metrics.child_ended("cpu")
    lines = metrics.text().splitlines()
    assert {
        'wharf_images_pictures_total{outcome="made"} 1',
        'wharf_images_pictures_total{outcome="failed"} 0',
        'wharf_images_no_preview_total{reason="broken"} 1',
        'wharf_images_child_ends_total{how="cpu"} 1',
        'wharf_images_seconds_bucket{le="0.025"} 1',
        'wharf_images_seconds_bucket{le="0.05"} 2',
        'wharf_images_seconds_bucket{le="+Inf"} 3',
        "wharf_images_seconds_count 3",
        "wharf_images_busy 2",
    } <= set(lines)
