"""Every study runs: the tables in docs/signals.md take half an hour, these tests take seconds."""

from dataclasses import replace

import numpy as np
import pytest

from models.plays.catalogue import track_keys
from streamer.local.world import World
from tests.bench import signals
from tests.bench.signals import STUDIES, Bench, simulated_bench, simulated_playlists


@pytest.fixture(scope="module")
def bench() -> Bench:
    with pytest.MonkeyPatch.context() as patch:
        for name, number in {"NUM_LISTENERS": 30, "NUM_TRACKS": 200, "NUM_PLAYS": 1_500}.items():
            patch.setattr(signals, name, number)
        return simulated_bench([1], "validation")


@pytest.mark.long
@pytest.mark.parametrize("study", STUDIES)
def test_a_study_prints_rows_of_a_table(bench: Bench, study: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "TRAINING", replace(signals.TRAINING, epochs=1, item_epochs=1))

    rows = list(STUDIES[study](bench))

    assert rows
    assert all(row.startswith("| ") and row.endswith(" |") for row in rows)


def test_simulated_playlists_are_those_the_listeners_play() -> None:
    music = World.build(np.random.default_rng(1), num_listeners=1, num_tracks=300, num_genres=2).music

    playlists = simulated_playlists(music)

    assert playlists.num_listeners == sum(map(len, music.playlists))
    last = playlists.track_keys[playlists.bounds[-2] :]
    assert last.tolist() == track_keys([music.track_ids[row] for row in music.playlists[-1][-1]]).tolist()
