"""boto3 alone: the program that a user would write without Wharf."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import boto3
from botocore.config import Config

from tests.servers.object_stores import ObjectStore

_THREADS = (1, 4, 16)
_LARGE = "large"
_BLOCK_BYTES = 1 << 20


class Boto3Alone:
    """A separate bucket, with boto3's defaults except for the size of its connection pool."""

    def __init__(self, store: ObjectStore) -> None:
        self._client = boto3.client(
            "s3",
            endpoint_url=store.endpoint,
            aws_access_key_id=store.access_key,
            aws_secret_access_key=store.secret_key,
            region_name="us-east-1",
            config=Config(signature_version="s3v4", max_pool_connections=max(_THREADS)),
        )
        self._bucket = store.new_bucket()
        self._number = 0

    def put(self, file: Path) -> None:
        """Upload a large file as boto3 does: in parts, ten at a time."""
        self._client.upload_file(str(file), self._bucket, _LARGE)

    def get(self) -> None:
        """Download the large file without storing it."""
        body = self._client.get_object(Bucket=self._bucket, Key=_LARGE)["Body"]
        while body.read(_BLOCK_BYTES):
            pass

    def puts_per_second(self, content: bytes, seconds: float) -> float:
        """Return the small uploads a second, with the fastest number of threads."""
        return max(self._rate(content, seconds, threads) for threads in _THREADS)

    def _rate(self, content: bytes, seconds: float, threads: int) -> float:
        done: list[int] = []
        self._number += 1
        until = time.perf_counter() + seconds

        def work(number: int) -> None:
            count = 0
            while time.perf_counter() < until:
                key = f"{self._number}/{number}/{count}"
                self._client.put_object(Bucket=self._bucket, Key=key, Body=content)
                count += 1
            done.append(count)

        workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
        begun = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return sum(done) / (time.perf_counter() - begun)

    def forget(self) -> None:
        """Delete the large file, since the store keeps all files in memory."""
        self._client.delete_object(Bucket=self._bucket, Key=_LARGE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.close()
