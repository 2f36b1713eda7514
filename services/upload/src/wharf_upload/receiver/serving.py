"""What the receiver's loop asks: the routes of resumable uploads, rendered and logged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from servicekit.tracing import Tracing
from wharf_upload.exchange import Exchange, Reply
from wharf_upload.front import Front
from wharf_upload.receiver.loop import Loop, Stream
from wharf_upload.routes.resuming import ROUTE, Resuming
from wharf_upload.translation import as_problem


class Receiver:
    """Serves resumable uploads on a unix socket of its own."""

    def __init__(self, front: Front, address: Path, tracing: Tracing | None = None) -> None:
        self._front, self._tracing = front, tracing
        self._loop = Loop(address, self._handle)
        self._resuming = Resuming(front.service, self._loop.cancel)

    @property
    def loop(self) -> Loop:
        """What moves the bodies."""
        return self._loop

    def run(self) -> None:
        """Works until the process ends."""
        self._loop.run()

    def holds(self, identifier: str) -> bool:
        """Whether this process works on an upload; another replica may."""
        return self._resuming.holds(identifier)

    def drain(self, seconds: float) -> None:
        """Takes nobody new; `run` ends when all have their answers (`Loop.drain`)."""
        self._loop.drain(seconds)

    def stop(self) -> None:
        """Ends `run`."""
        self._loop.stop()

    def _handle(self, environ: dict[str, Any]) -> Reply | Stream:
        if self._tracing is None:
            return self._begin(environ)
        return self._traced(environ, self._tracing)

    def _traced(self, environ: dict[str, Any], tracing: Tracing) -> Reply | Stream:
        request = tracing.begin(environ)
        with tracing.working_on(request):
            found = self._begin(environ)
        if isinstance(found, Reply):
            request.span.end()
            return found
        answer = found.finish

        def finish(stream: Stream, error: Exception | None) -> Reply:
            # In another thread, maybe hours later.
            with tracing.working_on(request):
                reply = answer(stream, error)
            request.span.end()
            return reply

        found.finish = finish
        return found

    def _begin(self, environ: dict[str, Any]) -> Reply | Stream:
        exchange = Exchange(environ, ROUTE)
        try:
            found = self._resuming(exchange)
        except Exception as error:  # noqa: BLE001 -- every failure becomes a problem document
            found = self._front.refused(exchange, as_problem(error))
        if isinstance(found, Reply):
            return self._finished(exchange, found)
        answer = found.finish

        def finish(stream: Stream, error: Exception | None) -> Reply:
            try:
                reply = answer(stream, error)
            except Exception as failure:  # noqa: BLE001 -- as above
                reply = self._front.refused(exchange, as_problem(failure))
            return self._finished(exchange, reply)

        found.finish = finish
        return found

    def _finished(self, exchange: Exchange, reply: Reply) -> Reply:
        self._front.share(exchange, reply)
        self._front.finish(exchange, reply.status)
        return reply
