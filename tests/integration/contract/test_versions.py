"""What `streamer.faust` relies on in Faust, mode and aiokafka, fact by fact: what is installed, and its clients.

Faust is pinned exactly. Run the tests of this folder before you move the pin: each failure says what is lost with its
fact. Facts that need a broker are in test_faust_on_kafka.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib.metadata import version

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from faust.stores import by_url as store_by_url
from faust.stores.rocksdb import Store
from faust.tables import TableManager
from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer as BaseConsumer
from faust.transport.drivers import by_url as transport_by_url
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer
from mode import Service
from yarl import URL

from streamer.faust.app import ChunkApp
from streamer.faust.recovery import ChunkRecovery
from streamer.faust.store import ChunkStore
from streamer.faust.table import ListenerTable
from streamer.faust.thread import ReadCommittedThread
from streamer.faust.transport import ChunkConsumer, ChunkTransport
from streamer.settings import Settings


def test_faust_is_the_version_whose_private_methods_were_read() -> None:
    installed = version("faust-streaming")

    assert installed == "0.15.3", (
        f"faust-streaming {installed} is installed: streamer/faust overrides private methods of 0.15.3. Read them "
        "again, run these tests and the fault tests, then move the pin in pyproject.toml and this number"
    )


@pytest.mark.parametrize(
    ("method", "parameters", "why"),
    [
        (BaseConsumer._wait_next_records, ["timeout"], "getmany() fetches and waits through it"),
        (BaseConsumer.getmany, ["timeout"], "our getmany() replaces it: chunks instead of messages"),
        (Consumer._getmany, ["active_partitions", "timeout"], "ours keeps plays out of it during a rebalance (596)"),
        (Consumer._new_offset, ["tp"], "ours decides what is committed (606)"),
        (Consumer._add_gap, ["tp", "offset_from", "offset_to"], "ours records none for chunks"),
        (Consumer.perform_seek, [], "ours voids the chunks yielded before"),
        (Consumer.seek_wait, ["partitions"], "it puts partitions at their marks"),
        (Consumer.position, ["tp"], "empty chunks learn from it how far changelogs were read"),
        (Consumer.on_partitions_assigned, ["assigned", "generation_id"], "ours takes the fences first"),
        (Consumer.on_partitions_revoked, ["revoked"], "ours commits first (502)"),
        (Consumer._is_changelog_tp, ["tp"], "it distinguishes plays from changelogs"),
        (Consumer._new_consumer_thread, [], "ours creates the thread that reads committed records"),
        (AIOKafkaConsumerThread._create_worker_consumer, ["transport"], "ours reads committed records"),
        (Store._open_for_partition, ["partition"], "ours opens with our options, and discards the damaged and the old"),
        (Store._db_for_partition, ["partition"], "Faust opens the stores it assigns and recovers through it"),
        (Store.persisted_offset, ["tp"], "asking a standby for its offset opens its store"),
        (Store.apply_changelog_batch, ["batch", "to_key", "to_value"], "recovery gives its chunks to ours"),
        (Store.revoke_partitions, ["table", "tps"], "ours closes the stores"),
        (TableManager.on_start, [], "ours does not sleep for a second"),
        (TableManager._update_channels, [], "ours subscribes to the changelogs through it"),
        (
            Recovery._build_highwaters,
            ["consumer", "tps", "destination", "title"],
            "ours accepts standbys that are ahead of it",
        ),
        (Service._crash, ["reason"], "ours ends the process"),
    ],
    ids=lambda value: getattr(value, "__qualname__", None) if callable(value) else "",
)
def test_a_method_that_is_overridden_or_called_has_the_parameters_it_had(
    method: Callable[..., object], parameters: list[str], why: str
) -> None:
    actual = list(inspect.signature(method).parameters)[1:]

    assert actual == parameters, f"{method.__qualname__} now takes {actual}; {why}"


def test_refrain_urls_name_the_chunk_transport_and_the_chunk_store() -> None:
    transport, store = transport_by_url(URL("refrain://kafka:9092")), store_by_url(URL("refrain://"))

    why = "Faust would fail to start; reinstall the package so that its entry points are found"
    assert (transport, store) == (ChunkTransport, ChunkStore), why


async def test_an_app_builds_our_classes_from_its_settings(app: ChunkApp) -> None:
    table = app.tables["listeners"]

    assert isinstance(app.consumer, ChunkConsumer), "plays would travel one by one"
    assert isinstance(app.consumer._thread, ReadCommittedThread), "recovery would apply uncommitted records"
    assert isinstance(app.tables.recovery, ChunkRecovery), "a partition just demoted to standby would be refused"
    assert isinstance(table, ListenerTable)
    assert isinstance(table.data, ChunkStore), "states would be written key by key, before their transaction"
    assert table.changelog_topic_name == Settings().changelog_topic, "the topic we create would not be the one in use"


async def test_the_thread_creates_a_consumer_that_reads_committed_records(
    app: ChunkApp, consumer: ChunkConsumer
) -> None:
    thread = consumer._thread
    stock = AIOKafkaConsumerThread._create_worker_consumer(thread, app.transport)
    ours = thread._create_worker_consumer(app.transport)
    await stock.stop()
    await ours.stop()

    assert stock._isolation_level == "read_uncommitted", "Faust reads committed records by itself: drop our thread"
    assert ours._isolation_level == "read_committed", "recovery would apply aborted batches"


def test_a_producer_can_send_whole_batches() -> None:
    assert list(inspect.signature(AIOKafkaProducer.send_batch).parameters) == ["self", "batch", "topic", "partition"]
    assert inspect.signature(AIOKafkaConsumer).parameters["isolation_level"].default == "read_uncommitted"
