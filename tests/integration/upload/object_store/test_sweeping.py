"""The sweeper while the object store fails: it removes objects later if it cannot
remove them now.
"""

from __future__ import annotations

import re

import pytest

from tests.servers.faulty_store import Exchange, Fault, Reply, answer, cut, cut_before
from tests.servers.upload_on_s3 import OnS3

BUSY = answer(503, "SlowDown")


def refuse_each(exchange: Exchange) -> Reply:
    """Respond to a deletion of several objects that none of them may be deleted."""
    keys = re.findall(rb"<Key>[^<]+</Key>", exchange.read())
    errors = b"".join(b"<Error>%b<Code>AccessDenied</Code></Error>" % key for key in keys)
    return Reply(200, [], b"<DeleteResult>%b</DeleteResult>" % errors)


@pytest.mark.parametrize(
    ("operation", "fault"),
    [("delete", BUSY), ("delete", cut), ("delete", cut_before), ("list", BUSY), ("*", BUSY)],
    ids=["busy", "done", "cut", "lists", "all"],
)
def test_failing_sweep(scene: OnS3, operation: str, fault: Fault) -> None:
    """A sweep during an error of the store reports failures and removes no live file, and the next
    sweep finishes the work.
    """
    assert scene.answer("small") == (201, "")
    assert scene.answer("spooled") == (201, "")
    assert scene.answer("large") == (201, "")
    scene.delete("small")
    scene.delete("large")
    scene.proxy.order(operation, last=fault)
    assert scene.service.sweep().failures > 0
    scene.proxy.heal()
    scene.assert_files("spooled")


def test_deletions_that_are_refused(scene: OnS3) -> None:
    """A later sweep deletes the objects whose deletion the store refused."""
    assert scene.answer("form") == (201, "")
    scene.delete("form")
    scene.proxy.order("delete", last=refuse_each)
    assert scene.service.sweep().failures > 0
    assert len(scene.keys()) == 2
    scene.proxy.heal()
    scene.assert_nothing()
