"""What making pictures needs, once."""

from __future__ import annotations

import pytest

from wharf_images.picturing import pictures


@pytest.fixture(autouse=True, scope="session")
def loaded() -> None:
    """Everything is loaded, as in the zygote."""
    pictures.load()
