"""Tests of real files from real programs (`tests/corpus`): their types and their names."""

from __future__ import annotations

from servicekit.problems import ProblemError
from tests.corpus import page
from wharf_upload.content_types.media_types import extension_agrees
from wharf_upload.domain.buckets import Policy
from wharf_upload.domain.upload_intent import check_name, check_type

CASES = page.cases()
FILES = dict(page.files())


def test_a_real_file_is_found_to_be_what_it_is() -> None:
    """Each file's bytes give the type that a person noted for it."""
    found = {case: page.found_in(FILES[case.name]) for case in CASES}
    assert {
        case: media_type for case, media_type in found.items() if media_type != case.media_type
    } == {}


def taken(case: page.Case) -> str:
    """Return the type that a bucket for the file's type and extension records, or its refusal."""
    extension = case.name.rpartition(".")[2].lower()
    policy = Policy(allowed_types=(case.media_type,), allowed_extensions=(extension,))
    try:
        check_name(case.name, policy)
        return check_type(case.media_type, case.name, policy)
    except ProblemError as refusal:
        return str(refusal)


def test_a_real_file_may_keep_its_name() -> None:
    """A file keeps its own name and type in a bucket for its type and extension."""
    contradicted = [case for case in CASES if extension_agrees(case.name, case.media_type) is False]
    assert contradicted == []
    found = {case: taken(case) for case in CASES if "." in case.name}
    assert {
        case: media_type for case, media_type in found.items() if media_type != case.media_type
    } == {}


def test_the_corpus_is_whole() -> None:
    """The corpus has the files of its manifest: at least 250, of at least 120 formats."""
    assert FILES.keys() == {case.name for case in CASES}
    assert len(CASES) >= 250
    assert len({case.media_type for case in CASES}) >= 120


def test_a_picture_is_no_program_and_a_program_no_picture() -> None:
    """Of recognized files, only JPEG files may be called .jpg, and only Windows programs .exe."""
    for case in CASES:
        if case.media_type != "application/octet-stream":
            jpeg, program = (extension_agrees(f"a.{e}", case.media_type) for e in ("jpg", "exe"))
            assert bool(jpeg) == (case.media_type == "image/jpeg"), case
            assert bool(program) == (case.media_type == "application/x-msdownload"), case


def test_the_page_is_what_the_corpus_gives() -> None:
    """docs/types.md matches the corpus; `python -m tests.corpus.page` generates it again."""
    found = {name: page.found_in(content) for name, content in FILES.items()}
    assert page.PAGE.read_text(encoding="utf-8") == page.page(found)
