"""A process with many threads that write files: `python -m tests.servers.upload_writer`.

Arguments: the database's URL, the number of threads, the number of keys of each kind per thread,
and a word for the keys that only this process uses. The process prints, as JSON, the outcome of
each write by key and thread.
"""

from __future__ import annotations

import json
import sys
import threading

from servicekit.database import open_database
from tests.servers.upload import new_file
from wharf_upload.database.sql import SqlRecords
from wharf_upload.domain.file_writes import Write
from wharf_upload.domain.refusals import Refused


def main(url: str, threads: str, files: str, word: str) -> None:
    """Write shared keys, which another writer may also use, and own keys, which
    no other writer uses.
    """
    database = open_database(url, durable=False)
    records = SqlRecords(database)
    outcomes: dict[str, str] = {}
    ready = threading.Barrier(int(threads))

    def work(thread: int) -> None:
        ready.wait()
        for number in range(int(files)):
            for key in (f"shared/{number}", f"{word}/{thread}/{number}"):
                file = new_file(key, size=number + 1)
                try:
                    records.write(Write(files=(file,), on_conflict="error"))
                    outcome = file.blob
                except Refused as refused:
                    outcome = type(refused).__name__
                outcomes[f"{key} {thread}"] = outcome
        database.close()

    workers = [threading.Thread(target=work, args=(number,)) for number in range(int(threads))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    sys.stdout.write(json.dumps(outcomes))


if __name__ == "__main__":
    main(*sys.argv[1:])
