"""`make k8s`: renders, validates and scans every overlay, with and without the components."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from deploy.k8s.checks import rendering, scanning, schemas


def main() -> int:
    """Print a line for each variant and for each fault.

    Return 1 when there was a fault or kustomize is missing, otherwise 0.
    """
    try:
        kustomize = rendering.kustomize()
    except rendering.RenderingError as error:
        print(f"k8s: {error}", file=sys.stderr)
        return 1
    print(f"k8s: rendering with {kustomize.name}")
    faults = 0
    with tempfile.TemporaryDirectory() as scratch:
        for name, folder in rendering.lay_out(Path(scratch) / "k8s").items():
            faults += check(name, kustomize.render(folder), folder)
    return 1 if faults else 0


def check(name: str, rendered: str, folder: Path) -> int:
    """Validate and scan one variant; return the number of its faults."""
    manifests = rendering.documents(rendered)
    faults = schemas.faults(manifests, folder)
    file = folder / "rendered.yaml"
    file.write_text(rendered)
    scan = scanning.scan(file)
    for line in (*faults, *scan.findings):
        print(f"k8s: {name}: {line}")
    print(
        f"k8s: {name}: {len(manifests)} manifests, Kubernetes {' and '.join(schemas.VERSIONS)}; "
        f"{scan.passed} rules passed, {len(scan.findings)} failed, "
        f"{len(scan.exceptions)} exceptions with a reason"
    )
    return len(faults) + len(scan.findings)


if __name__ == "__main__":
    sys.exit(main())
