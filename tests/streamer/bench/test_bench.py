"""`refrain bench` from its arguments to its last line, with a real store and a real broker."""

import asyncio
import json
from pathlib import Path

import click
import pytest

from streamer.bench.audience import make_audience
from streamer.bench.command import bench
from streamer.bench.workbench import open_workbench
from streamer.bench.world import CLUSTER, make_listeners, make_recommender, released
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.connection import connection_of
from streamer.local.devkafka import DevKafka
from streamer.metrics import STEPS
from streamer.settings import Settings
from tests.builders import save_tiny_release
from tests.commands import run_here


@pytest.mark.long
async def test_a_workbench_answers_every_play_of_its_audience(tmp_path: Path) -> None:
    """A play that was rejected, or was a duplicate, would make what is measured cheaper than it is."""
    settings = Settings(state_dir=tmp_path / "state", device="cpu", answer="each")
    release = released(make_recommender(2 * CLUSTER, max_neighbours=20, index_above=75_000), tmp_path)
    audience = make_audience(make_listeners(release.recommender, 50), release.catalogue, release.key, 100)

    async with open_workbench(settings, release, audience) as (workbench, store):
        found = await workbench.time_batches(40, limit_s=0.01)
        metrics, table = workbench._metrics, workbench._answering.table

    assert len(found.batch_s) == len(found.whole.cpu_s) >= 2
    assert all(sum(found.steps[step].wall_s) > 0 for step in STEPS)
    assert sum(sum(times.cpu_s) for times in found.steps.values()) <= sum(found.whole.cpu_s)
    assert metrics.plays._value.get() == metrics.recommendations.labels("long-term")._value.get() >= 120
    assert metrics.rebuilds._value.get() == 0
    assert {topic: sum(batch.num_records for batch in batches) for topic, batches in found.written.items()} == {
        settings.short_term_topic: 40, settings.long_term_topic: 40, table.changelog_topic_name: 41,
    }  # fmt: skip
    assert 1000 < store.bytes_per_listener < 10_000


@pytest.mark.kafka
def test_transactions_are_measured_and_nothing_stays_on_the_broker(
    kafka: DevKafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(kafka_bootstrap_servers=kafka.bootstrap_servers, state_dir=tmp_path / "state", device="cpu")
    release = save_tiny_release(tmp_path / "releases").location

    run_here(
        bench, settings, "--release", release, "--batch", "2", "--batch", "8", "--seconds", "0.1", "--kafka", "--yes",
        "--json",
    )  # fmt: skip

    written = capsys.readouterr()
    shown = json.loads(written.out)
    assert [each["plays"] for each in shown["batches"]] == [2, 8]
    assert all(0 < each["transaction"]["p50_ms"] <= each["transaction"]["p99_ms"] for each in shown["batches"])
    assert shown["capacity"]["with_kafka"]
    assert "5 of 5: transactions on Kafka" in written.err
    assert list(tmp_path.iterdir()) == [tmp_path / "releases"]
    assert not [topic for topic in asyncio.run(topics_of(settings)) if topic.startswith("refrain-bench")]


async def topics_of(settings: Settings) -> list[str]:
    async with KafkaAdmin(connection_of(settings)) as admin:
        return [each["topic"] for each in await admin._client.describe_topics()]


def test_topics_are_created_on_a_broker_only_if_somebody_agrees() -> None:
    with pytest.raises(click.UsageError, match="nobody is there to ask: add --yes"):
        run_here(bench, Settings(), "--kafka")
