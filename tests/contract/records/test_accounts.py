"""Any sequence of writes, deletions, changes and listings agrees with a dictionary."""

from __future__ import annotations

from uuid import uuid4

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from servicekit.database import Database
from tests.servers.upload import new_file
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.conditions import WriteCondition
from wharf_upload.domain.file_writes import Idempotency, OnConflict, Write
from wharf_upload.domain.files import File
from wharf_upload.domain.keys import renamed
from wharf_upload.domain.quotas import Usage
from wharf_upload.domain.refusals import KeyTaken, NoSuchFile, PreconditionFailed

_KEYS = st.sampled_from(["a", "b", "f/a.txt", "f/b.txt", "é", "z"])
_SIZES = st.integers(0, 1000)
_CONDITIONS = st.sampled_from(["none", "new only", "existing only", "this one", "another"])
_CHOICES: st.SearchStrategy[OnConflict] = st.sampled_from(["replace", "rename", "error"])


class Accounts(RuleBasedStateMachine):
    """A tenant's default bucket, compared with a dictionary of its live files."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database, self._records = database, SqlRecords(database)
        self._tenant = uuid4().hex
        self._files: dict[str, File] = {}
        self._doomed: set[str] = set()
        self._remembered: dict[str, tuple[tuple[str, int], File]] = {}

    def _condition(self, kind: str, key: str) -> WriteCondition | None:
        current = self._files.get(key)
        return {
            "none": None,
            "new only": WriteCondition(must_not_exist=True),
            "existing only": WriteCondition(must_exist=True),
            "this one": WriteCondition(etags=(current.etag,) if current else ()),
            "another": WriteCondition(etags=('"another"',)),
        }[kind]

    def _holds(self, condition: WriteCondition | None, key: str) -> bool:
        current = self._files.get(key)
        return condition is None or condition.allows(current.etag if current else None)

    @rule(key=_KEYS, size=_SIZES, on_conflict=_CHOICES, kind=_CONDITIONS)
    def write(self, key: str, size: int, on_conflict: OnConflict, kind: str) -> None:
        file = new_file(key, tenant=self._tenant, size=size)
        condition = self._condition(kind, key)
        write = Write(files=(file,), on_conflict=on_conflict, condition=condition)
        taken = key in self._files
        try:
            stored = self._records.write(write)
        except PreconditionFailed:
            assert not self._holds(condition, key)
        except KeyTaken:
            assert taken
            assert on_conflict == "error"
        else:
            assert self._holds(condition, key)
            assert not (taken and on_conflict == "error")
            assert stored.created == (not taken or on_conflict == "rename",)
            self._keep(stored.files[0], renamed=taken and on_conflict == "rename")

    def _keep(self, file: File, *, renamed: bool) -> None:
        old = self._files.get(file.key)
        if old is not None:
            assert not renamed
            self._doomed.add(old.blob)
        self._files[file.key] = file

    @rule(key=_KEYS, first=_SIZES, second=_SIZES)
    def write_two(self, key: str, first: int, second: int) -> None:
        files = (
            new_file(key, tenant=self._tenant, size=first),
            new_file(f"{key}-second", tenant=self._tenant, size=second),
        )
        for file in self._records.write(Write(files=files)).files:
            self._keep(file, renamed=False)

    @rule(token=st.sampled_from(["k1", "k2"]), key=_KEYS, size=_SIZES)
    def write_once(self, token: str, key: str, size: int) -> None:
        idempotency = Idempotency(subject="s", key=token, fingerprint="the same")
        file = new_file(key, tenant=self._tenant, size=size)
        stored = self._records.write(Write(files=(file,), idempotency=idempotency))
        if token in self._remembered:
            assert stored.replayed
            assert stored.files[0] == self._remembered[token][1]
        else:
            assert not stored.replayed
            self._remembered[token] = ((key, size), stored.files[0])
            self._keep(stored.files[0], renamed=False)

    @rule(key=_KEYS, kind=_CONDITIONS)
    def delete(self, key: str, kind: str) -> None:
        condition = self._condition(kind, key)
        try:
            deleted = self._records.delete(self._tenant, "default", key, condition)
        except NoSuchFile:
            assert key not in self._files
        except PreconditionFailed:
            assert not self._holds(condition, key)
        else:
            assert deleted == self._files.pop(key)
            self._doomed.add(deleted.blob)

    @rule(key=_KEYS, to=_KEYS, kind=_CONDITIONS)
    def move(self, key: str, to: str, kind: str) -> None:
        file = self._files.get(key, new_file(key, tenant=self._tenant))
        condition = self._condition(kind, key)
        try:
            moved = self._records.change(
                file,
                lambda f: msgspec.structs.replace(f, key=to, metadata={"moved to": to}),
                condition,
            )
        except NoSuchFile:
            assert key not in self._files
        except PreconditionFailed:
            assert not self._holds(condition, key)
        except KeyTaken:
            assert key != to
            assert to in self._files
        else:
            del self._files[key]
            self._files[to] = moved

    @invariant()
    def agrees(self) -> None:
        page = self._records.list_files(
            self._tenant, "default", prefix="", delimiter="", after="", limit=1000
        )
        assert list(page.files) == [self._files[key] for key in sorted(self._files)]
        sizes = [file.size for file in self._files.values()]
        assert self._records.usage(self._tenant) == Usage(sum(sizes), len(sizes))
        doomed = self._records.pending_deletion(1 << 60, 10_000)
        assert {one.blob for one in doomed if one.tenant == self._tenant} == self._doomed


def test_accounts(database: Database) -> None:
    """After any sequence of changes the files, the usage and the pending
    deletions match the model.
    """
    run_state_machine_as_test(
        lambda: Accounts(database),  # type: ignore[arg-type]
        settings=settings(
            max_examples=25,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_renamed_keys_are_new(database: Database) -> None:
    """A key that was made by renaming is not replaced by the next file that is renamed."""
    records = SqlRecords(database)
    for key in ("a.txt", renamed("a.txt", 2), "a.txt"):
        records.write(Write(files=(new_file(key),), on_conflict="rename"))
    assert records.usage("demo") == Usage(3, 3)
