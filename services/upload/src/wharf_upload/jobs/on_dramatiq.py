"""The engine `dramatiq`: any number of processes, which get the turns of jobs through Redis.

A message has only the id and the turn of a job, because the row has the rest. Redis may lose
messages and deliver them twice: a job whose message is lost is taken again when its lease expires,
and a turn ends once. So Wharf uses no retries, results, age limits or time limits of Dramatiq.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from redis import Redis, RedisError

from wharf_upload.domain.jobs import Lane, Turn
from wharf_upload.jobs.engine import EngineUnavailable
from wharf_upload.notices.places import redis_url

log = logging.getLogger(__name__)
_NAMESPACE = "wharf-jobs"
_ANSWER_SECONDS = 5.0
# How long an idle process waits before it asks Redis again.
_POLL_MILLISECONDS = 200
# A process that runs jobs says so this often; Redis forgets it after the second time.
_PRESENT_SECONDS, _FORGOTTEN_SECONDS = 2.0, 10
_DEAD_MESSAGE_MILLISECONDS = 3600 * 1000


def _client(url: str) -> Redis:
    return Redis.from_url(
        redis_url(url), socket_timeout=_ANSWER_SECONDS, socket_connect_timeout=_ANSWER_SECONDS
    )


def _broker(url: str) -> RedisBroker:
    return RedisBroker(  # type: ignore[no-untyped-call]
        client=_client(url),
        middleware=[],
        namespace=_NAMESPACE,
        dead_message_ttl=_DEAD_MESSAGE_MILLISECONDS,
    )


def _presence(lane: str) -> str:
    return f"{_NAMESPACE}:present:{lane}"


class DramatiqEngine:
    """Sends turns to the processes that run jobs; implements `engine.Engine`."""

    def __init__(self, url: str) -> None:
        self._broker = _broker(url)

    def submit(self, lane: str, turns: Sequence[Turn]) -> None:
        """Queue turns in Redis; raises `EngineUnavailable`.

        Without a process that runs jobs, messages would stay in Redis, and each lease that expires
        would cost the job a try.
        """
        try:
            if not self._broker.client.exists(_presence(lane)):
                raise EngineUnavailable(f"no process `wharf-upload jobs` runs the lane {lane}")
            for turn in turns:
                self._broker.enqueue(_message(lane, turn))
        except (RedisError, OSError) as error:
            raise EngineUnavailable(f"Redis does not accept jobs: {error}") from None

    def stop(self, wait_seconds: float) -> list[Turn]:  # noqa: ARG002 -- the contract
        """Close the connection; other processes run the turns that are in Redis."""
        self._broker.client.close()
        return []


def _message(lane: str, turn: Turn) -> dramatiq.Message[None]:
    return dramatiq.Message(
        queue_name=lane, actor_name=lane, args=(turn.id, turn.turn), kwargs={}, options={}
    )


class DramatiqWorkers:
    """Runs the turns that arrive through Redis, in threads; `run` must not raise.

    Each lane has its own threads and its own queue, so that a lane with slow jobs does not delay
    another lane.
    """

    def __init__(self, url: str, lanes: Iterable[Lane], run: Callable[[Turn], None]) -> None:
        # The dispatcher logs what matters; Dramatiq logs each message that it gets.
        logging.getLogger("dramatiq").setLevel(logging.ERROR)
        self._url, self._lanes, self._stopped = url, list(lanes), threading.Event()
        self._workers = [_worker(url, lane, run) for lane in self._lanes]

    def start(self) -> None:
        """Begin to run turns, and to report this process as present."""
        for worker in self._workers:
            worker.start()
        threading.Thread(target=self._report_presence, name="job-presence", daemon=True).start()

    def stop(self, wait_seconds: float) -> None:
        """Begin no more jobs, and wait for those that run, at most about `wait_seconds`.

        Turns that did not begin go back to Redis for another process. The process must end after
        this call: a handler that still runs then loses its lease, and its job runs again.
        """
        self._stopped.set()
        milliseconds = int(wait_seconds * 1000)
        threads = [
            threading.Thread(target=_stop, args=(worker, milliseconds), daemon=True)
            for worker in self._workers
        ]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + wait_seconds + _ANSWER_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _report_presence(self) -> None:
        client, is_told = _client(self._url), False
        while not self._stopped.is_set():
            try:
                for lane in self._lanes:
                    client.set(_presence(lane.name), 1, ex=_FORGOTTEN_SECONDS)
                is_told = False
            except (RedisError, OSError) as error:
                if not is_told:
                    log.warning("Redis does not respond, so no jobs arrive: %s", error)
                is_told = True
            self._stopped.wait(_PRESENT_SECONDS)


def _worker(url: str, lane: Lane, run: Callable[[Turn], None]) -> dramatiq.Worker:
    broker = _broker(url)

    def run_turn(job: str, turn: int) -> None:
        run(Turn(job, turn))

    actor = dramatiq.actor(actor_name=lane.name, queue_name=lane.name, broker=broker)
    actor(run_turn)
    worker = dramatiq.Worker(broker, worker_timeout=_POLL_MILLISECONDS, worker_threads=lane.at_once)
    # A turn that waits in a busy process could begin earlier in another process.
    worker.queue_prefetch = lane.at_once
    return worker


def _stop(worker: dramatiq.Worker, milliseconds: int) -> None:
    try:
        worker.stop(milliseconds)
    except Exception as error:  # noqa: BLE001 -- the rows of the jobs are the truth
        log.warning("turns of jobs were not given back to Redis: %s", error)
