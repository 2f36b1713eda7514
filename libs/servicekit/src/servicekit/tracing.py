"""OpenTelemetry traces, an optional extra: `WHARF_OTLP_URL`, or OpenTelemetry's own variables.

No module imports OpenTelemetry unless `wanted` returns true. The provider has a background thread
for the export. The first request of a process creates the provider, so the thread starts only after
uWSGI has forked the process (ADR 20).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from servicekit import traceparent
from servicekit.settings import SettingsError

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_TRACES = "/v1/traces"


def wanted(url: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether to export traces; raise `SettingsError` if the packages are not installed."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if not url and not any(environ.get(name) for name in _ENDPOINTS):
        return False
    try:
        import opentelemetry.exporter.otlp.proto.http
        import opentelemetry.sdk.trace  # noqa: F401
    except ImportError as error:
        raise SettingsError(
            "WHARF_OTLP_URL: traces need packages that are not installed; "
            f"pip install --require-hashes -r requirements/otel.txt ({error})"
        ) from None
    return True


class Request:
    """A request in progress with its span; `context` is the parent for the spans of its stages."""

    def __init__(self, span: Any, context: Any) -> None:
        self.span, self.context = span, context
        # The difference between the system's clock and `time.perf_counter`, in nanoseconds.
        self.offset = time.time_ns() - time.perf_counter_ns()

    def describe(self, *, name: str, status: int, attributes: Mapping[str, object]) -> None:
        """Set name, status and attributes of the span; skip attributes that are `None`."""
        self.span.update_name(name)
        for key, value in attributes.items():
            if value is not None:
                self.span.set_attribute(key, value)
        self.span.set_attribute("http.response.status_code", status)
        if status >= 500:
            from opentelemetry.trace import StatusCode

            self.span.set_status(StatusCode.ERROR)


class Tracing:
    """The tracing of one service.

    `url` is the address of an OTLP receiver over HTTP, without `/v1/traces`.
    """

    def __init__(self, service: str, version: str, url: str = "") -> None:
        self._service, self._version, self._url = service, version, url
        self._local = threading.local()
        self._lock = threading.Lock()
        self._tracer: Any = None

    # ---- requests ----

    @contextmanager
    def request(self, environ: Mapping[str, Any]) -> Iterator[Request]:
        """Make a span for the block, which handles a request in this thread."""
        request = self.begin(environ)
        try:
            with self.working_on(request):
                yield request
        finally:
            request.span.end()

    def begin(self, environ: Mapping[str, Any]) -> Request:
        """Start the span of a request, inside the caller's trace if the request names one."""
        from opentelemetry import trace

        parent = self._parent(environ)
        self._local.trace_id = environ.get("TRACE_ID", "")
        span = self._opened().start_span(
            environ.get("REQUEST_METHOD", ""),
            context=parent,
            kind=trace.SpanKind.SERVER,
            attributes={"http.request.method": environ.get("REQUEST_METHOD", "")},
        )
        return Request(span, trace.set_span_in_context(span))

    @contextmanager
    def working_on(self, request: Request) -> Iterator[None]:
        """Make the request the current one of this thread for the block."""
        before = self.current
        self._local.current = request
        try:
            yield
        finally:
            self._local.current = before

    @property
    def current(self) -> Request | None:
        """Return the current request of this thread."""
        return getattr(self._local, "current", None)

    def stage(self, name: str, begun: float, ended: float) -> None:
        """Add a span to the current request, if there is one.

        `begun` and `ended` are times of `time.perf_counter()`.
        """
        request = self.current
        if request is None or not request.span.is_recording():
            return
        begun_at, ended_at = (int(at * 1e9) + request.offset for at in (begun, ended))
        self._opened().start_span(name, context=request.context, start_time=begun_at).end(ended_at)

    def describe(self, line: Mapping[str, Any]) -> None:
        """Copy the values of the request's log line to the current span."""
        if (request := self.current) is not None:
            request.describe(
                name=f"{line['method']} {line['route']}",
                status=line["status"],
                attributes={
                    "http.route": line["route"],
                    "wharf.tenant": line["tenant"],
                    "wharf.outcome": line["outcome"],
                    "wharf.request_id": line["request_id"],
                },
            )

    @staticmethod
    def _parent(environ: Mapping[str, Any]) -> Any:
        from opentelemetry import context, trace

        found = traceparent.parse(environ.get("HTTP_TRACEPARENT"))
        if found is None:
            return context.Context()
        state = trace.TraceState.from_header([environ.get("HTTP_TRACESTATE", "")])
        parent = trace.SpanContext(
            int(found.trace_id, 16),
            int(found.parent_id, 16),
            is_remote=True,
            trace_flags=trace.TraceFlags(int(found.sampled)),
            trace_state=state,
        )
        return trace.set_span_in_context(trace.NonRecordingSpan(parent), context.Context())

    # ---- the provider ----

    def _opened(self) -> Any:
        """Return the tracer; the first call creates it."""
        if self._tracer is None:
            with self._lock:
                if self._tracer is None:
                    self._tracer = self._open()
        return self._tracer

    def _open(self) -> Any:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

        local = self._local

        class Ids(RandomIdGenerator):
            """An id generator: a trace that begins here gets the trace id of the gateway's log."""

            def generate_trace_id(self) -> int:
                given = getattr(local, "trace_id", "")
                if traceparent.is_trace_id(given):
                    return int(given, 16)
                return super().generate_trace_id()

        attributes: dict[str, str] = {"service.version": self._version}
        if not os.environ.get("OTEL_SERVICE_NAME"):
            attributes["service.name"] = f"wharf-{self._service}"
        provider = TracerProvider(resource=Resource.create(attributes), id_generator=Ids())
        endpoint = f"{self._url.rstrip('/')}{_TRACES}" if self._url else None
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
        return provider.get_tracer("wharf", self._version)


WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


def traced(app: WsgiApp, tracing: Tracing) -> WsgiApp:
    """Wrap a WSGI application so that each request is a span.

    The span ends when the application returns: applications of Wharf have their response by then.
    """

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with tracing.request(environ):
            return app(environ, start_response)

    return application
