"""Damaged files: ten thousand in the sandbox, and some through the service."""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from pathlib import Path

from PIL import Image

from tests.servers.image_files import encoded, memory_file
from tests.servers.images import service
from tests.servers.mutating_zygote import MUTANTS, mutant
from wharf_images.sandbox import kernel
from wharf_images.sandbox.client import Sandbox

SCRIPT = Path(__file__).parents[2] / "servers/mutating_zygote.py"
_IMAGE = Image.radial_gradient("L").resize((24, 16)).convert("RGB")
_EXIF = Image.Exif()
_EXIF[0x0112] = 6
SEEDS = {
    "jpeg": encoded(_IMAGE, "JPEG", exif=_EXIF),
    "progressive": encoded(_IMAGE, "JPEG", progressive=True),
    "png": encoded(_IMAGE, "PNG"),
    "palette": encoded(_IMAGE.quantize(16), "PNG", transparency=1),
    "gif": encoded(_IMAGE, "GIF"),
    "webp": encoded(_IMAGE, "WEBP", exif=_EXIF),
    "lossless": encoded(_IMAGE, "WEBP", lossless=True),
    "avif": encoded(_IMAGE, "AVIF", speed=10),
    "bmp": encoded(_IMAGE, "BMP"),
    "pdf": encoded(_IMAGE, "PDF"),
}
# If a child ends in one of these ways the file is the cause, so the service responds with 404.
BLAMED = {"done", "crash", "cpu", "refused-call"}


def test_ten_thousand_mutants_stay_in_the_sandbox() -> None:
    """Each damaged file gets a picture or a reason, and a crash of a decoder does
    not end the zygote.
    """
    command = [sys.executable, "-I", str(SCRIPT), str(kernel.landlock_abi())]
    sandbox, outcomes, ends = Sandbox(command, seconds=60), Counter[str](), Counter[str]()
    try:
        for number in range(10_000 // MUTANTS):
            with memory_file(list(SEEDS.values())[number % len(SEEDS)]) as blob:
                ended = sandbox.run(blob, number)
            ends[ended.how] += 1
            if ended.how == "done":
                outcomes += Counter(json.loads(ended.result))
        assert sandbox.restarts == 0
    finally:
        sandbox.close()
    assert ends.keys() <= BLAMED
    assert ends["done"] >= 38
    assert outcomes.keys() <= {"made", "broken", "too-large", "unknown"}
    # The mutants are similar enough to decode, and different enough to fail.
    assert min(outcomes["made"], outcomes["broken"]) > 1000


def test_mutants_through_the_service_are_never_its_fault(tmp_path: Path) -> None:
    """The service responds to each of 200 damaged files with 200 or 404, and never with 503."""
    chance = random.Random(14)
    with service(tmp_path) as images:
        statuses = Counter[int]()
        for number in range(200):
            location = f"acme/0a/{number:032x}"
            seed = list(SEEDS.values())[number % len(SEEDS)]
            images.blobs.files[location] = mutant(seed, chance)
            statuses[images.picture(location).status] += 1
        assert statuses.keys() == {200, 404}
        assert images.metric("wharf_images_zygote_restarts_total") == 0
