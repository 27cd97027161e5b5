"""The traces of plays: what became of a play, in the trace of whoever produced it, for OpenTelemetry.

Only a worker with REFRAIN_TRACES=on imports this. A play that its producer has sampled gets a span of its own, as the
semantic conventions for messaging have it: a child of the message's creation context, with a link to it. Its children
are the steps in the life of a play, which all plays of a batch share:

    process plays     from the play's timestamp until its answer is on Kafka and on disk
        fetch         in Kafka, until it was fetched
        wait          for others to share its batch
        decode ... commit     as in `refrain_step_seconds`

The answer carries the context of `process plays` on, in the same header. Of the plays without a context, the first in
each batch is offered to the sampler, as the root of a trace.

Source: https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

from aiokafka import ConsumerRecord
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import (
    Link,
    Span,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import Counter

from streamer.kafka.chunk import Chunk
from streamer.worker.intake import Intake

Headers = Sequence[tuple[str, bytes]]
Timed = Callable[[str], AbstractContextManager[None]]

#: Plays of a batch that are traced at most, whatever their producers ask for: each costs as much as five plays.
_MOST_TRACED: Final = 20

#: How long the last spans may take to be sent when a worker stops, seconds.
_CLOSE_LIMIT_S: Final = 3.0

_PARENT: Final = "traceparent"
_STATE: Final = "tracestate"
_LONGEST_NS: Final = 86_400 * 10**9

#: The longest `tracestate` that is carried on, bytes, as W3C asks for at least; some versions of OpenTelemetry take
#: minutes to read a long one, while no play is answered.
_MAX_STATE_BYTES: Final = 512

_W3C: Final = TraceContextTextMapPropagator()


class Traces:
    """Traces the plays of a worker.

    Args:
        exporter: takes the spans.
        topic: the plays.
        group_id: of the consumers.
        identity: of the worker; empty if it has none.
    """

    def __init__(self, exporter: SpanExporter, *, topic: str, group_id: str, identity: str) -> None:
        own = {"service.name": "refrain-worker"} | ({"service.instance.id": identity} if identity else {})
        resource = Resource.create().merge(Resource(own)).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self.tracer = self._provider.get_tracer("refrain")
        self._name = f"process {topic}"
        self._attributes = {
            "messaging.system": "kafka",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": topic,
            "messaging.consumer.group.name": group_id,
        }

    def begin(self, chunks: Sequence[Chunk]) -> "BatchTrace":
        """Note that a batch begins: its chunks are about to be decoded."""
        now_ns = time.time_ns()
        passed_ns = now_ns - int(asyncio.get_running_loop().time() * 1e9)
        arrived_ns = {chunk.partition: int(chunk.arrived_s * 1e9) + passed_ns for chunk in reversed(chunks)}
        return BatchTrace(self, arrived_ns, now_ns)

    def start(self, record: "ConsumerRecord[bytes, bytes]", context: Context, began_ns: int) -> Span:
        """Start the span of a play."""
        creation = get_current_span(context).get_span_context()
        place = {"messaging.destination.partition.id": str(record.partition), "messaging.kafka.offset": record.offset}
        return self.tracer.start_span(
            self._name,
            context,
            SpanKind.CONSUMER,
            self._attributes | place,
            [Link(creation)] if creation.is_valid else [],
            began_ns,
        )

    async def close(self) -> None:
        """Send the last spans; what a collector does not take in time is lost."""
        closing = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, _CLOSE_LIMIT_S)


@dataclass(frozen=True, slots=True)
class BatchTrace:
    """The times of a batch before its plays are known, ns since the epoch.

    Attributes:
        traces: of the worker.
        arrived_ns: by partition, when the first of its chunks was fetched.
        began_ns: when decoding began.
    """

    traces: Traces
    arrived_ns: Mapping[int, int]
    began_ns: int

    def follow(self, intakes: Sequence[Intake], timed: Timed) -> "Followed":
        """Start the spans of the plays that are traced; they are exported only if they are ended.

        Args:
            intakes: of an attempt to answer the batch, or a part of it.
            timed: measures a step.
        """
        return Followed(self, list(islice(self._choose(intakes), _MOST_TRACED)), timed)

    def _choose(self, intakes: Sequence[Intake]) -> Iterator["_Play"]:
        """Yield the plays that are sampled."""
        is_first = True  # of those without a context
        for record in (record for intake in intakes for record in intake.records):
            headers = dict(record.headers) if record.headers else {}
            context = _context_of(headers)
            if context is None and is_first and not headers.get(_PARENT):
                is_first, context = False, Context()
            if context is None:
                continue
            arrived_ns = self.arrived_ns[record.partition]
            began_ns = _time_of(record, arrived_ns)
            span = self.traces.start(record, context, began_ns)
            if span.is_recording():
                yield _Play(record.partition, record.offset, span, began_ns, arrived_ns)


class _Play(NamedTuple):
    """A play that is traced; times are ns since the epoch."""

    partition: int
    offset: int
    span: Span
    began_ns: int
    arrived_ns: int


class Followed:
    """The plays that are traced, of an attempt to answer a batch; made when they are decoded.

    Args:
        batch: the times of the batch.
        plays: whose spans have been started.
        timed: measures a step.
    """

    def __init__(self, batch: BatchTrace, plays: Sequence[_Play], timed: Timed) -> None:
        self._batch = batch
        self._plays = plays
        self._timed = timed
        self._steps = [("decode", batch.began_ns, time.time_ns())]

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Measure a step, and note when it was."""
        began_ns = time.time_ns()
        with self._timed(step):
            yield
        self._steps.append((step, began_ns, time.time_ns()))

    @property
    def headers(self) -> dict[int, dict[int, Headers]]:
        """By partition and offset, the headers by which an answer carries the trace of its play on."""
        headers: dict[int, dict[int, Headers]] = {}
        for play in self._plays:
            carrier: dict[str, str] = {}
            _W3C.inject(carrier, set_span_in_context(play.span))
            headers.setdefault(play.partition, {})[play.offset] = [
                (name, text.encode()) for name, text in carrier.items()
            ]
        return headers

    def end(self, intakes: Sequence[Intake]) -> None:
        """Tell what became of the plays, which are on Kafka and on disk."""
        causes = {
            (intake.partition, intake.records[reject.index].offset): reject.cause
            for intake in intakes
            for reject in intake.rejects
        }
        for play in self._plays:
            self._tell_steps(play)
            if cause := causes.get((play.partition, play.offset)):
                play.span.set_attribute("error.type", cause)
                play.span.set_status(Status(StatusCode.ERROR, "the play is a dead letter"))
            play.span.end(self._steps[-1][2])

    def _tell_steps(self, play: _Play) -> None:
        context, began_ns = set_span_in_context(play.span), self._batch.began_ns
        waits = [("fetch", play.began_ns, play.arrived_ns), ("wait", play.arrived_ns, began_ns)]
        for name, from_ns, until_ns in (*waits, *self._steps):
            self._batch.traces.tracer.start_span(name, context, start_time=from_ns).end(max(from_ns, until_ns))


class CountingExporter(SpanExporter):
    """Hands spans to a collector, and counts those that it did not take.

    Args:
        exporter: sends them.
        lost: the counter.
    """

    def __init__(self, exporter: SpanExporter, lost: Counter) -> None:
        self._exporter = exporter
        self._lost = lost

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans."""
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._lost.inc(len(spans))
        return result

    def shutdown(self) -> None:
        """Stop sending."""
        self._exporter.shutdown()


def create_exporter(lost: Counter) -> SpanExporter:
    """Create what sends spans by OTLP/HTTP, as OpenTelemetry's own OTEL_EXPORTER_OTLP_ variables describe it."""
    return CountingExporter(OTLPSpanExporter(), lost)


def _context_of(headers: Mapping[str, bytes | None]) -> Context | None:
    """Return the context of a play whose producer has sampled it; None if it has not, or if nobody can read it."""
    if not _is_sampled(headers.get(_PARENT) or b""):
        return None
    state = headers.get(_STATE) or b""
    carrier = {_PARENT: (headers[_PARENT] or b"").decode(errors="replace")}
    if 0 < len(state) <= _MAX_STATE_BYTES:
        carrier[_STATE] = state.decode(errors="replace")
    context = _W3C.extract(carrier, Context())
    return context if get_current_span(context).get_span_context().is_valid else None


def _is_sampled(parent: bytes) -> bool:
    """Whether the flags of a `traceparent` say so; looked at before the rest is read, which takes ten times as long."""
    try:
        return bool(int(parent[53:55], 16) & TraceFlags.SAMPLED)
    except ValueError:
        return False


def _time_of(record: "ConsumerRecord[bytes, bytes]", arrived_ns: int) -> int:
    """Return the time of a play; that of its arrival, if its producer wrote what cannot be its time."""
    at_ns = -1 if record.timestamp is None else record.timestamp * 1_000_000
    return at_ns if 0 <= arrived_ns - at_ns <= _LONGEST_NS else arrived_ns
