"""The server of resumable uploads.

The routes choose a file for a body, and the event loop moves the bytes of the body into the file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from servicekit.tracing import Tracing
from wharf_upload.http.answering import Answering
from wharf_upload.http.claimed_tenant import claimed_tenant
from wharf_upload.http.long_work import LongWork
from wharf_upload.http.request import Request, Response
from wharf_upload.routes.gateway import GatewayRoutes
from wharf_upload.routes.resumable import ROUTE, Incoming, ResumableRoutes
from wharf_upload.streaming.connection import Stream
from wharf_upload.streaming.event_loop import StreamServer
from wharf_upload.streaming.fair_executor import FairExecutor, waits


class ResumableServer:
    """Serves resumable uploads, and spooled uploads that take long, on a separate unix socket."""

    def __init__(
        self,
        routes: ResumableRoutes,
        spooled: GatewayRoutes,
        answering: Answering,
        holds: Callable[[str], bool],
        address: Path,
        tracing: Tracing | None = None,
        *,
        long_work_threads: int = 4,
    ) -> None:
        """Create the server; `holds` tells whether this process may work on an upload."""
        self._routes, self._spooled, self._answering = routes, spooled, answering
        self._holds, self._tracing = holds, tracing
        long_work = FairExecutor(long_work_threads, "long-work", waits)
        self._loop = StreamServer(address, self._handle, long_work, whose=claimed_tenant)

    @property
    def loop(self) -> StreamServer:
        """Return the event loop that moves the bodies."""
        return self._loop

    def run(self) -> None:
        """Run the loop until it is stopped or drained."""
        self._loop.run()

    def holds(self, identifier: str) -> bool:
        """Tell whether this process may work on an upload; another replica may have it."""
        return self._holds(identifier)

    def drain(self, seconds: float) -> None:
        """Accept no new connection; end `run` after the last request (`StreamServer.drain`)."""
        self._loop.drain(seconds)

    def stop(self) -> None:
        """End `run`."""
        self._loop.stop()

    def _handle(self, environ: dict[str, Any]) -> Response | Stream | LongWork:
        if self._tracing is None:
            return self._begin(environ)
        return self._traced(environ, self._tracing)

    def _traced(self, environ: dict[str, Any], tracing: Tracing) -> Response | Stream | LongWork:
        request = tracing.begin(environ)
        with tracing.working_on(request):
            found = self._begin(environ)
        if isinstance(found, Response):
            request.span.end()
            return found

        def traced(run: Callable[[], Response]) -> Response:
            # This runs in another thread, maybe hours later.
            with tracing.working_on(request):
                response = run()
            request.span.end()
            return response

        if isinstance(found, LongWork):
            work = found.run
            return LongWork(found.tenant, lambda: traced(work))
        answer = found.finish
        found.finish = lambda stream, error: traced(lambda: answer(stream, error))
        return found

    def _begin(self, environ: dict[str, Any]) -> Response | Stream | LongWork:
        request = Request(environ, ROUTE)
        if environ.get("SPOOL_FILE"):
            tenant = claimed_tenant(environ)
            return self._later(request, tenant, lambda: self._spooled.finish(request))
        try:
            found = self._routes(request)
        except Exception as error:  # noqa: BLE001 -- every failure becomes a problem document
            found = self._answering.refuse(request, error)
        if isinstance(found, Incoming):
            return self._stream(request, found)
        if isinstance(found, LongWork):
            return self._later(request, found.tenant, found.run)
        self._answering.finish(request, found)
        return found

    def _later(self, request: Request, tenant: str, run: Callable[[], Response]) -> LongWork:
        return LongWork(tenant, lambda: self._finished(request, run))

    def _finished(self, request: Request, run: Callable[[], Response]) -> Response:
        try:
            response = run()
        except Exception as failure:  # noqa: BLE001 -- every failure becomes a problem document
            response = self._answering.refuse(request, failure)
        self._answering.finish(request, response)
        return response

    def _stream(self, request: Request, incoming: Incoming) -> Stream:
        body = incoming.body

        def finish(stream: Stream, error: Exception | None) -> Response:
            def run() -> Response:
                return incoming.answer(body.finish(stream.whole and not stream.cancelled, error))

            return self._finished(request, run)

        stream = Stream(
            body.descriptor,
            body.offset,
            body.length,
            finish,
            body.check,
            body.check_at,
            body.received,
            tenant=request.caller.tenant,
            takes_long=body.takes_long,
        )
        body.on_cancel(lambda: self._loop.cancel(stream))
        return stream
