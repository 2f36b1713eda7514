"""The speed of small pictures at the service's socket: CPU time, pictures a second, memory.

python -m loadtests.small_pictures [--seconds 5] [--megapixels 12] [--width 256] [--json]

There is no cache, since nginx does not run. The service's own metrics report the CPU time of all
its processes, so other load on the machine changes the pictures a second but not the CPU time.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

from tests.servers.image_files import LOCATION, encoded
from tests.servers.images import Service, service

_CPU = "wharf_process_cpu_seconds_total"


@dataclass(frozen=True)
class Result:
    """The costs of one kind of file with a number of clients."""

    kind: str
    clients: int
    kilobytes: int
    pictures_per_second: float
    cpu_milliseconds: float
    median_milliseconds: float


def photo(megapixels: float) -> Image.Image:
    """Return a picture like a photo: smooth, with noise."""
    columns = int((megapixels * 1e6 * 4 / 3) ** 0.5)
    size = (columns, columns * 3 // 4)
    smooth = Image.radial_gradient("L").resize(size)
    noise = Image.effect_noise(size, 20)
    return Image.merge("RGB", (smooth, noise, Image.blend(smooth, noise, 0.3)))


def files(megapixels: float) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of a file of each kind."""
    image = photo(megapixels)
    yield "JPEG", encoded(image, "JPEG", quality=85)
    yield "JPEG, progressive", encoded(image, "JPEG", quality=85, progressive=True)
    yield "PNG", encoded(image, "PNG", compress_level=1)
    yield "WebP", encoded(image, "WEBP", quality=80, method=0)
    yield "AVIF", encoded(image, "AVIF", quality=60, speed=10)


def measure(
    images: Service, kind: str, content: bytes, clients: int, options: Mapping[str, int]
) -> Result:
    """Request the picture again and again; return the costs."""
    images.blobs.files[LOCATION] = content
    images.picture(LOCATION, options["width"])
    took: list[float] = []
    until = time.monotonic() + options["seconds"]

    def ask() -> None:
        while (begin := time.monotonic()) < until:
            assert images.picture(LOCATION, options["width"]).status == 200
            took.append(time.monotonic() - begin)

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    begin, cpu = time.monotonic(), images.metric(_CPU)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds, spent = time.monotonic() - begin, images.metric(_CPU) - cpu
    return Result(
        kind,
        clients,
        len(content) // 1000,
        round(len(took) / seconds, 1),
        round(spent / len(took) * 1e3, 1),
        round(sorted(took)[len(took) // 2] * 1e3, 1),
    )


def memory(images: Service) -> dict[str, float]:
    """Return the memory of server and zygote in MB."""
    name = "wharf_process_resident_memory_bytes"
    return {
        process: round(images.metric(f'{name}{{process="{process}"}}') / 1e6, 1)
        for process in ("server", "zygote")
    }


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--width", type=int, choices=(64, 256, 1024), default=256)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    options = {"seconds": given.seconds, "width": given.width}
    with tempfile.TemporaryDirectory() as folder, service(Path(folder)) as images:
        before = memory(images)
        results = [
            measure(images, kind, content, clients, options)
            for kind, content in files(given.megapixels)
            for clients in (1, 2)
        ]
        after = memory(images)
    if given.json:
        print(json.dumps({"memory": after, "results": [asdict(one) for one in results]}))
        return
    print(f"memory, MB (PSS): {before} fresh, {after} after")
    print(f"{'':20}{'kB':>8}{'clients':>9}{'per s':>9}{'CPU ms':>9}{'median ms':>11}")
    for one in results:
        print(
            f"{one.kind:20}{one.kilobytes:8}{one.clients:9}{one.pictures_per_second:9}"
            f"{one.cpu_milliseconds:9}{one.median_milliseconds:11}"
        )


if __name__ == "__main__":
    main()
