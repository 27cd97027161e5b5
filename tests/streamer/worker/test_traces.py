import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from aiokafka import AIOKafkaProducer
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, Counter

from streamer.kafka.chunk import Chunk
from streamer.kafka.topics import ensure_topics
from streamer.local.devkafka import DevKafka
from streamer.metrics.worker import STEPS
from streamer.releases.alias import move_alias
from streamer.wire.messages import ReleaseNotice
from streamer.worker import traces as module
from streamer.worker.intake import take_in
from streamer.worker.traces import CountingExporter, Traces
from tests.builders import play, play_value, save_tiny_release
from tests.collector import Collector, collecting
from tests.onkafka import Record, read_committed, settings_on
from tests.working import until_marked, working

TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT: Final = "00f067aa0ba902b7"
SAMPLED: Final = [("traceparent", f"00-{TRACE}-{PARENT}-01".encode()), ("tracestate", b"vendor=1")]
UNSAMPLED: Final = [("traceparent", f"00-{TRACE}-{PARENT}-00".encode())]


def played(offset: int, *headers: tuple[str, bytes], timestamp_ms: int | None = None) -> Record:
    """A play of now, unless its producer stamped it otherwise."""
    record = play(offset, "u", "t1")
    object.__setattr__(record, "headers", tuple(headers))
    object.__setattr__(record, "timestamp", time.time_ns() // 1_000_000 if timestamp_ms is None else timestamp_ms)
    return record


def trace(traces: Traces, *records: Record, attempts: int = 1) -> None:
    """Answer a batch of one partition, in vain but for the last attempt."""

    async def acknowledge() -> None:
        pass

    async def begin() -> None:
        batch = traces.begin([Chunk(0, records, asyncio.get_running_loop().time(), acknowledge)])
        intakes = [take_in(0, records, None)]
        for attempt in range(attempts):
            followed = batch.follow(intakes, lambda _: contextlib.nullcontext())
            with followed.timed("step"):
                pass
            if attempt == attempts - 1:
                followed.end(intakes)
        await traces.close()

    asyncio.run(begin())


def traced(*records: Record, attempts: int = 1) -> list[ReadableSpan]:
    """Return the spans of the plays of a batch, without those of its steps."""
    exporter = InMemorySpanExporter()
    trace(Traces(exporter, topic="plays", group_id="g", identity=""), *records, attempts=attempts)
    return [span for span in exporter.get_finished_spans() if span.name == "process plays"]


def offsets(spans: Sequence[ReadableSpan]) -> list[Any]:
    return [span.attributes and span.attributes["messaging.kafka.offset"] for span in spans]


def test_a_play_is_traced_if_its_producer_sampled_it_and_the_first_without_a_context_begins_a_trace() -> None:
    spans = traced(played(0, *UNSAMPLED), played(1), played(2, *SAMPLED), played(3))

    assert offsets(spans) == [1, 2]
    assert [span.parent is None for span in spans] == [True, False]


@pytest.mark.parametrize("parent", [b"\xff-nonsense", SAMPLED[0][1].replace(TRACE.encode(), b"\xff" * 32), b"0" * 99])
def test_a_context_that_nobody_can_read_is_no_context_and_no_sampled_play(parent: bytes) -> None:
    null: Any = ("tracestate", None)  # as Kafka allows

    assert traced(played(0, ("traceparent", parent), null)) == []
    assert offsets(traced(played(0, SAMPLED[0], null))) == [0]


def test_a_state_of_a_trace_that_is_too_long_is_left_out_and_its_play_is_traced() -> None:
    states = [b",".join(b"vendor%d=%s" % (number, b"x" * 150) for number in range(num)) for num in (3, 4)]
    first, second = (played(number, SAMPLED[0], ("tracestate", state)) for number, state in enumerate(states, 1))

    assert [len(span.context.trace_state) for span in traced(first, second) if span.context] == [3, 0]


def test_a_play_that_takes_several_attempts_is_told_once() -> None:
    assert offsets(traced(played(0, *SAMPLED), attempts=3)) == [0]


def test_of_a_batch_only_the_first_plays_are_traced() -> None:
    assert len(traced(*(played(offset, *SAMPLED) for offset in range(100)))) == 20


@pytest.mark.parametrize("timestamp_ms", [-1, 0, 1 << 62, 4_102_444_800_000])
def test_a_play_whose_timestamp_cannot_be_its_time_begins_when_it_arrives(timestamp_ms: int) -> None:
    before_ns = time.time_ns()

    (span,) = traced(played(0, *SAMPLED, timestamp_ms=timestamp_ms))

    assert span.start_time is not None
    assert abs(span.start_time - before_ns) < 60e9


class Failing(SpanExporter):
    """A collector that is away, or that never answers."""

    def __init__(self, export: Callable[[], SpanExportResult]) -> None:
        self._export = export

    def export(self, _: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._export()

    def shutdown(self) -> None:
        pass


def test_spans_that_the_collector_does_not_take_are_counted() -> None:
    lost = Counter("lost", "Spans.", registry=(registry := CollectorRegistry()))
    exporter = CountingExporter(Failing(lambda: SpanExportResult.FAILURE), lost)

    trace(Traces(exporter, topic="plays", group_id="g", identity=""), played(0, *SAMPLED))

    assert registry.get_sample_value("lost_total") == 5  # the play, and fetch, wait, decode, step


def test_a_collector_that_never_answers_keeps_no_worker_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CLOSE_LIMIT_S", 0.1)

    def hang() -> SpanExportResult:
        time.sleep(600)
        return SpanExportResult.SUCCESS

    trace(Traces(Failing(hang), topic="plays", group_id="g", identity=""), played(0, *SAMPLED))


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        yield running


@pytest.mark.kafka
async def test_a_collector_receives_the_trace_of_a_play_and_its_answers_carry_it_on(
    kafka: DevKafka, topic_prefix: str, tmp_path: Path, collector: Collector
) -> None:
    settings = settings_on(
        kafka.bootstrap_servers, topic_prefix, state_dir=tmp_path / "state", partitions=1, answer="each", device="cpu",
        releases_url=str(tmp_path / "releases"), traces="on",
    )  # fmt: skip
    await ensure_topics(settings)
    await move_alias(
        kafka.connection, settings.releases_topic, ReleaseNotice(*save_tiny_release(tmp_path / "releases"))
    )
    plays = [(play_value("u", "t1"), SAMPLED), (play_value("u", "t2"), UNSAMPLED), (b"no play", SAMPLED)]
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        for value, headers in plays:
            await producer.send_and_wait(settings.plays_topic, value, b"u", 0, headers=headers)

    async with working(settings) as answering:
        await until_marked(answering, 2)

    answered, rejected = [span for span in collector.spans if span.name.startswith("process")]
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    assert {span.parent_span_id.hex() for span in (answered, rejected)} == {PARENT}
    assert [link.span_id.hex() for link in answered.links] == [PARENT]
    assert names_below(collector, answered) == ["fetch", "wait", *STEPS]
    assert (answered.status.code, rejected.status.code) == (Status.STATUS_CODE_UNSET, Status.STATUS_CODE_ERROR)
    own = {each.key: each.value.string_value for each in collector.received[0].resource.attributes}
    assert own.items() >= {"service.name": "refrain-worker", "deployment.environment.name": "test"}.items()
    for topic in (settings.short_term_topic, settings.long_term_topic):
        first, second = await read_committed(kafka.bootstrap_servers, topic)
        assert dict(first.headers) == {
            "traceparent": f"00-{TRACE}-{answered.span_id.hex()}-01".encode(), "tracestate": b"vendor=1",
        }  # fmt: skip
        assert not second.headers


def names_below(collector: Collector, parent: Span) -> list[str]:
    """Return the names of the children of a span, in the order of their times."""
    children = [span for span in collector.spans if span.parent_span_id == parent.span_id]
    ordered = sorted(children, key=lambda span: (span.start_time_unix_nano, span.end_time_unix_nano))
    times = [time_ns for span in ordered for time_ns in (span.start_time_unix_nano, span.end_time_unix_nano)]
    assert times == sorted(times)
    assert times[0] >= parent.start_time_unix_nano
    assert times[-1] == parent.end_time_unix_nano
    return [span.name for span in ordered]
