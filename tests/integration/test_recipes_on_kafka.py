"""Every recipe produces a release that a worker serves without knowing the recipe."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from models.config import HORIZONS, TrainingConfig
from models.plays.catalogue import track_keys
from models.plays.histories import Histories, gather_histories
from models.plays.playlists import playlist_histories
from models.recipes import RECIPES, Recipe
from models.release import Release, load_release, save_release
from models.release_folder import Folder
from models.serving.step import StepOutput, step
from models.serving.step_input import StepInput
from models.training.recipe_fitting import fit_recipe
from models.training.shards import Shard
from streamer.kafka.topics import ensure_topics
from streamer.local.devkafka import DevKafka
from streamer.releases.alias import move_alias
from streamer.settings import Settings
from streamer.wire.messages import Recommendation, ReleaseNotice
from streamer.worker.pipeline import Answering
from tests.agreement import SCORE_TOLERANCE
from tests.builders import NOON_MS, WINDOW, play_value, tiny_recipe
from tests.models.training.test_fit import CATALOGUE, IDS, rounds
from tests.onkafka import produce, read_committed
from tests.until import until
from tests.working import working

#: What the listener plays under each release, in order; no release knows "x".
PLAYED = ("t3", "x", "t4", "t3")
SIZES = (5, 8)


def release_of(recipe: Recipe, directory: Path, number: int) -> tuple[ReleaseNotice, Release]:
    """Train a tiny release, save it, and load it as a worker does."""
    lists = playlist_histories(np.zeros(len(IDS), np.int64), np.arange(len(IDS)), track_keys(IDS))
    recommender = fit_recipe(tiny_recipe(recipe), [Shard(rounds(5))], CATALOGUE, playlists=lists)
    saved = save_release(
        Folder(str(directory)), recommender, training=TrainingConfig(), metrics={}, data_window=WINDOW,
        created_at_ms=NOON_MS + number,
    )  # fmt: skip
    return ReleaseNotice(*saved), load_release(saved.location)


def offline(release: Release, history: Histories, num_old: int) -> StepOutput:
    """Answer the plays after the first `num_old` as the evaluation does, from the whole history."""
    anchors, num_hidden = np.arange(num_old, history.num_plays), release.network.config.hidden_size
    step_input = StepInput.from_nothing(history, anchors, num_hidden=num_hidden)
    return step(release.recommender, step_input, sizes=SIZES)


async def until_serving(answering: Answering, *, release_id: str, offset: int = -1) -> None:
    """Wait until a release is taken up and the mark of partition 0 has reached an offset."""

    def is_serving() -> bool:
        champion = answering.releases.champion
        return (
            champion is not None
            and champion.release.release_id == release_id
            and 0 in answering.fences.held
            and answering.table.mark(0).offset >= offset
        )

    await until(is_serving, f"{release_id} is taken up and the mark of partition 0 has reached {offset}")


@pytest.mark.kafka
async def test_one_worker_serves_every_recipe_in_turn_as_the_offline_step_does(
    kafka: DevKafka, topic_prefix: str, tmp_path: Path
) -> None:
    at = kafka.bootstrap_servers
    topics: dict[str, Any] = {f"{name}_topic": f"{topic_prefix}.{name}"
              for name in ("plays", "short_term", "long_term", "dead_letter", "releases", "catalogue")}  # fmt: skip
    settings = Settings(
        kafka_bootstrap_servers=at, app_id=topic_prefix, state_dir=tmp_path / "state", partitions=1, answer="each",
        releases_url=str(tmp_path / "releases"),
        short_term_size=SIZES[0], long_term_size=SIZES[1], device="cpu", **topics,
    )  # fmt: skip
    await ensure_topics(settings)
    releases = [release_of(recipe, tmp_path / "releases", number) for number, recipe in enumerate(RECIPES.values())]
    await move_alias(kafka.connection, settings.releases_topic, releases[0][0])

    tracks, times_ms = list[str](), list[int]()
    async with working(settings) as answering:
        for number, (notice, release) in enumerate(releases):
            await move_alias(kafka.connection, settings.releases_topic, notice)
            await until_serving(answering, release_id=release.release_id)
            for track in PLAYED:
                tracks.append(track)
                times_ms.append(NOON_MS + 60_000 * len(tracks) ** 2)
            new = list(zip(tracks, times_ms, strict=True))[-len(PLAYED) :]
            last = times_ms[-1] + 1
            await produce(at, settings.plays_topic, *(play_value("u", *play) for play in new), timestamp_ms=last)
            offset = (number + 1) * len(PLAYED) - 1
            await until_serving(answering, release_id=release.release_id, offset=offset)

    topics_of_answers = (settings.short_term_topic, settings.long_term_topic)
    answers = [[msgspec.json.decode(each.value or b"", type=Recommendation)
                for each in await read_committed(at, topic)] for topic in topics_of_answers]  # fmt: skip
    history = gather_histories(np.zeros(len(tracks), np.int64), track_keys(tracks), np.array(times_ms))
    for number, (_, release) in enumerate(releases):
        first, end = number * len(PLAYED), (number + 1) * len(PLAYED)
        so_far = gather_histories(np.zeros(end, np.int64), history.track_keys[:end], history.played_at_ms[:end])
        expected = offline(release, so_far, first).ranked
        for horizon in range(len(HORIZONS)):
            recommendations = answers[horizon][first:end]
            assert {answer.release for answer in recommendations} == {release.release_id}
            scores = [[track.score for track in answer.tracks] for answer in recommendations]
            np.testing.assert_allclose(scores, expected[horizon].scores, atol=SCORE_TOLERANCE)
