"""The server of resumable uploads: the routes say where a body goes, the loop moves the bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from servicekit.tracing import Tracing
from wharf_upload.http.answering import Answering
from wharf_upload.http.request import Request, Response
from wharf_upload.routes.resumable import ROUTE, Incoming, ResumableRoutes
from wharf_upload.streaming.connection import Stream
from wharf_upload.streaming.event_loop import StreamServer


class ResumableServer:
    """Serves resumable uploads on a unix socket of its own."""

    def __init__(
        self,
        routes: ResumableRoutes,
        answering: Answering,
        holds: Callable[[str], bool],
        address: Path,
        tracing: Tracing | None = None,
    ) -> None:
        """`holds` tells whether this process works on an upload."""
        self._routes, self._answering, self._holds = routes, answering, holds
        self._tracing = tracing
        self._loop = StreamServer(address, self._handle)

    @property
    def loop(self) -> StreamServer:
        """What moves the bodies."""
        return self._loop

    def run(self) -> None:
        """Works until the process ends."""
        self._loop.run()

    def holds(self, identifier: str) -> bool:
        """Whether this process works on an upload; another replica may."""
        return self._holds(identifier)

    def drain(self, seconds: float) -> None:
        """Takes nobody new; `run` ends when all have their answers (`StreamServer.drain`)."""
        self._loop.drain(seconds)

    def stop(self) -> None:
        """Ends `run`."""
        self._loop.stop()

    def _handle(self, environ: dict[str, Any]) -> Response | Stream:
        if self._tracing is None:
            return self._begin(environ)
        return self._traced(environ, self._tracing)

    def _traced(self, environ: dict[str, Any], tracing: Tracing) -> Response | Stream:
        request = tracing.begin(environ)
        with tracing.working_on(request):
            found = self._begin(environ)
        if isinstance(found, Response):
            request.span.end()
            return found
        answer = found.finish

        def finish(stream: Stream, error: Exception | None) -> Response:
            # In another thread, maybe hours later.
            with tracing.working_on(request):
                response = answer(stream, error)
            request.span.end()
            return response

        found.finish = finish
        return found

    def _begin(self, environ: dict[str, Any]) -> Response | Stream:
        request = Request(environ, ROUTE)
        try:
            found = self._routes(request)
        except Exception as error:  # noqa: BLE001 -- every failure becomes a problem document
            found = self._answering.refuse(request, error)
        if isinstance(found, Incoming):
            return self._stream(request, found)
        self._answering.finish(request, found)
        return found

    def _stream(self, request: Request, incoming: Incoming) -> Stream:
        body = incoming.body

        def finish(stream: Stream, error: Exception | None) -> Response:
            try:
                progress = body.finish(stream.whole and not stream.cancelled, error)
                response = incoming.answer(progress)
            except Exception as failure:  # noqa: BLE001 -- as above
                response = self._answering.refuse(request, failure)
            self._answering.finish(request, response)
            return response

        stream = Stream(
            body.descriptor,
            body.offset,
            body.length,
            finish,
            body.check,
            body.check_at,
            body.received,
        )
        body.on_cancel(lambda: self._loop.cancel(stream))
        return stream
