"""Real files of real writers (`tests/corpus`): what is found in them, and how they are called."""

from __future__ import annotations

import pytest

from tests.corpus import page
from wharf_upload.content_types.media_types import extension_agrees
from wharf_upload.domain.buckets import Policy
from wharf_upload.domain.upload_intent import check_name, check_type

CASES = page.cases()
FILES = dict(page.files())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_real_file_is_found_to_be_what_it_is(case: page.Case) -> None:
    """Each file has the type that a person gave it, by its bytes alone."""
    assert page.found_in(FILES[case.name]) == case.media_type


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_real_file_may_keep_its_name(case: page.Case) -> None:
    """No name that its own writer gives is refused in a bucket for its type and extension."""
    extension = case.name.rpartition(".")[2].lower()
    assert extension_agrees(case.name, case.media_type) is not False
    if "." in case.name:
        policy = Policy(allowed_types=(case.media_type,), allowed_extensions=(extension,))
        check_name(case.name, policy)
        assert check_type(case.media_type, case.name, policy) == case.media_type


def test_the_corpus_is_whole() -> None:
    """It has the files of its manifest, 250 and more of 120 formats and more."""
    assert FILES.keys() == {case.name for case in CASES}
    assert len(CASES) >= 250
    assert len({case.media_type for case in CASES}) >= 120


def test_a_picture_is_no_program_and_a_program_no_picture() -> None:
    """Of all files only pictures may be called .jpg, and only programs .exe."""
    for case in CASES:
        if case.media_type != "application/octet-stream":
            jpeg, program = (extension_agrees(f"a.{e}", case.media_type) for e in ("jpg", "exe"))
            assert bool(jpeg) == (case.media_type == "image/jpeg"), case
            assert bool(program) == (case.media_type == "application/x-msdownload"), case


def test_the_page_is_what_the_corpus_gives() -> None:
    """docs/types.md is made of these files; `python -m tests.corpus.page` makes it anew."""
    found = {name: page.found_in(content) for name, content in FILES.items()}
    assert page.PAGE.read_text(encoding="utf-8") == page.page(found)
