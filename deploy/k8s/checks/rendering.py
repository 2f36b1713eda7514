"""Renders the overlays of deploy/k8s, as `kubectl apply -k` would.

Components need a recent kustomize; Debian 12's kubectl contains 2.0, which does not support them.
So this module uses the first of: kubectl with kustomize 5 or newer, the program kustomize, and
kustomize's library from requirements/kustomize.txt (ADR 25).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
CHECKERS = ROOT / ".venv/k8s/bin"
Manifest = dict[str, Any]

# The variants that an operator would use: an overlay, and the components added to it.
VARIANTS = {
    "single-node": ("single-node", ()),
    "production": ("production", ()),
    "object-store": ("object-store", ()),
    "single-node-complete": ("single-node", ("ingress", "monitoring", "internal-receivers")),
    "production-complete": ("production", ("ingress", "monitoring", "internal-receivers")),
    "object-store-complete": ("object-store", ("ingress", "monitoring", "internal-receivers")),
}

_LEAST_VERSION = 5
_LIBRARY_CALL = """
import ctypes, glob, sys
found = glob.glob(sys.prefix + "/lib/python3.*/site-packages/pykustomize/_lib/linux-amd64/*.so")
if not found:
    sys.exit("the library of kustomize is not installed: make k8s")
library = ctypes.CDLL(found[0])
library.pykustomize_last_error.restype = ctypes.c_char_p
result = ctypes.c_char_p()
if library.pykustomize_build(sys.argv[1].encode(), b"{}", ctypes.byref(result)):
    sys.exit(library.pykustomize_last_error().decode())
sys.stdout.buffer.write(result.value)
"""


class RenderingError(Exception):
    """kustomize failed or is not installed; the message contains the reason."""


@dataclass(frozen=True)
class Kustomize:
    """A way to run kustomize: `command` with a folder as its last argument prints YAML."""

    name: str
    command: tuple[str, ...]

    def render(self, folder: Path) -> str:
        """Return the manifests of a kustomization as one YAML stream; raise `RenderingError`."""
        done = subprocess.run(
            [*self.command, str(folder)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RenderingError(f"{self.name} cannot render {folder}: {done.stderr.strip()}")
        return done.stdout


def _major(text: str) -> int:
    found = re.search(r"v?(\d+)\.\d+", text)
    return int(found[1]) if found else 0


def _kubectl() -> Kustomize | None:
    path = shutil.which("kubectl")
    if path is None:
        return None
    done = subprocess.run(
        [path, "version", "--client", "--output", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        version = json.loads(done.stdout)["kustomizeVersion"]
    except (ValueError, KeyError):
        return None
    recent = _major(version) >= _LEAST_VERSION
    return Kustomize(f"kubectl (kustomize {version})", (path, "kustomize")) if recent else None


def _kustomize() -> Kustomize | None:
    path = shutil.which("kustomize")
    if path is None:
        return None
    done = subprocess.run([path, "version"], capture_output=True, text=True, check=False)
    version = done.stdout.strip()
    recent = _major(version) >= _LEAST_VERSION
    return Kustomize(f"kustomize {version}", (path, "build")) if recent else None


def library() -> Kustomize | None:
    """Return the way that uses kustomize's library; `None` if it is missing.

    The library exists only for Linux on x86-64.
    """
    python = CHECKERS / "python"
    if not python.exists() or os.uname().machine != "x86_64":
        return None
    return Kustomize("kustomize's library", (str(python), "-I", "-c", _LIBRARY_CALL))


def ways() -> list[Kustomize]:
    """Return all ways to run kustomize on this machine, the preferred way first."""
    return [way for way in (_kubectl(), _kustomize(), library()) if way is not None]


def kustomize() -> Kustomize:
    """Return the first of `ways`.

    If there is none, raise `RenderingError`, which says how to get one.
    """
    found = ways()
    if not found:
        raise RenderingError(
            "no kustomize 5 found: install kubectl 1.27 or newer, or run `make k8s` on x86-64 Linux"
        )
    return found[0]


def lay_out(target: Path) -> dict[str, Path]:
    """Copy deploy/k8s, make secrets in the copy, and add a kustomization for each variant.

    Return the folder of each variant by its name.
    """
    # Do not copy the secrets of the checkout's owner.
    shutil.copytree(ROOT / "deploy/k8s", target, ignore=shutil.ignore_patterns("secrets", "checks"))
    for overlay in {overlay for overlay, _ in VARIANTS.values()}:
        subprocess.run(
            ["/bin/sh", str(target / "secrets.sh"), str(target / "overlays" / overlay)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    folders = {}
    for name, (overlay, components) in VARIANTS.items():
        folder = target / "variants" / name
        folder.mkdir(parents=True)
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [f"../../overlays/{overlay}"],
            "components": [f"../../components/{component}" for component in components],
        }
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        folders[name] = folder
    return folders


def documents(text: str) -> list[Manifest]:
    """Return the manifests of a YAML stream."""
    return [one for one in yaml.safe_load_all(text) if one]
