"""Fixtures for making small pictures."""

from __future__ import annotations

import pytest

from wharf_images.picturing import pictures


@pytest.fixture(autouse=True, scope="session")
def loaded() -> None:
    """Load all decoders, as the zygote does."""
    pictures.load()
