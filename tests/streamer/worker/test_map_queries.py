"""The map over HTTP, from a worker that answers plays."""

from pathlib import Path

import numpy as np
import pytest

from models.serving.map_reader import MapReader
from models.serving.track_map import TrackMap
from streamer.faust.table import ListenerTable
from streamer.kafka.topics import ensure_topics
from streamer.local.devkafka import DevKafka
from streamer.releases.alias import move_alias
from streamer.wire.changelog import listener_key
from streamer.wire.messages import ReleaseNotice
from streamer.wire.picture import encode_picture
from streamer.wire.state import decode
from streamer.worker.beside import create_beside
from tests.asking import asking_of
from tests.builders import NOON_MS, TRACK_IDS, play_value, save_tiny_release
from tests.onkafka import produce, settings_on
from tests.until import until
from tests.working import running, until_marked

MAP = TrackMap(
    np.random.default_rng(2).uniform(-1, 1, (len(TRACK_IDS), 2)).astype(np.float32),
    np.array([0, 1] * 6, np.uint8), np.arange(12, dtype=np.uint8), np.array(1, np.float32),
)  # fmt: skip


def state_of(table: ListenerTable, user: bytes) -> bytes:
    (record,) = table.store.multi_get(0, [listener_key(user)])
    assert record is not None
    return record


@pytest.mark.kafka
async def test_a_path_over_the_map_ends_where_the_state_is(kafka: DevKafka, topic_prefix: str, tmp_path: Path) -> None:
    settings = settings_on(
        kafka.bootstrap_servers, topic_prefix, state_dir=tmp_path / "state", partitions=1, replication=1, device="cpu",
        releases_url=str(tmp_path / "releases"),
    )  # fmt: skip
    await ensure_topics(settings)
    saved = save_tiny_release(tmp_path / "releases", track_map=MAP)
    await move_alias(kafka.connection, settings.releases_topic, ReleaseNotice(*saved))
    plays = [play_value("u", track, NOON_MS + at) for at, track in enumerate(("t1", "t2", "t5", "t1"))]
    await produce(settings.kafka_bootstrap_servers, settings.plays_topic, *plays)

    async with running(settings) as worker:
        releases, beside = worker.answering.releases, create_beside(settings, worker, 1)
        async with asking_of(beside.queries, worker.answering.metrics.registry) as asker:
            await until_marked(worker.answering, 3)
            before = state_of(worker.answering.table, b"u")
            picture = await asker.ask("GET", "/api/v1/map")
            again = await asker.ask("GET", "/api/v1/map", headers={"If-None-Match": picture.headers["ETag"]})
            regions = await asker.ask("GET", "/api/v1/map/regions")
            path = await asker.ask("POST", "/api/v1/listener/path", json={"user_id": "u"})
            champion = releases.champion
            assert champion is not None
            plain = save_tiny_release(tmp_path / "releases", created_at_ms=NOON_MS + 1)
            await move_alias(kafka.connection, settings.releases_topic, ReleaseNotice(*plain))
            await until(lambda: releases.champion is not champion, "the release without a map is taken up")
            missing = [
                await asker.ask("GET", "/api/v1/map"),
                await asker.ask("POST", "/api/v1/listener/path", json={"user_id": "u"}),
            ]
            assert state_of(worker.answering.table, b"u") == before
        await beside.close()

    assert picture.body == encode_picture(MAP.places, MAP.groups, MAP.weights)
    assert (picture.headers["ETag"], again.status) == (f'"{saved.release_id}"', 304)
    assert [(each["group"], each["tracks"]) for each in regions.json] == [(0, 6), (1, 6)]
    assert (path.json["plays"], path.json["is_rebuilt"]) == ([1, 2, 3, 4], False)
    network, hidden = champion.release.network, decode([before], 6).hidden
    reader = MapReader(champion.release.recommender, MAP)
    for horizon, of_horizon in enumerate(path.json["horizons"]):
        taste = network.tastes(network.read(network.temperature.new_tensor(hidden)), horizon)
        assert of_horizon["points"][-1] == pytest.approx(reader.places_of(taste)[0], abs=1e-3)
    assert [(answer.status, answer.code) for answer in missing] == [(404, "no_map")] * 2
