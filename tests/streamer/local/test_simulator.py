from collections import Counter, defaultdict
from itertools import groupby, islice, pairwise

import msgspec
import numpy as np
import pytest

from models.config import CONTEXTS
from streamer.local.simulator import SimulatedPlay, simulate
from streamer.local.world import DAY_MS, FAD_MS, WAYS, Debuts, World
from streamer.wire.messages import Play

START_MS = 450 * FAD_MS  # a fad starts


def listen(seed: int, num_plays: int, *, num_listeners: int = 500) -> tuple[World, list[SimulatedPlay]]:
    rng = np.random.default_rng(seed)
    world = World.build(rng, num_listeners)
    return world, list(islice(simulate(world, rng, START_MS), num_plays))


@pytest.fixture(scope="module")
def heard() -> tuple[World, list[SimulatedPlay]]:
    return listen(7, 60_000)


def by_listener(plays: list[SimulatedPlay]) -> dict[str, list[SimulatedPlay]]:
    histories = defaultdict(list)
    for play in plays:
        histories[play.user_id].append(play)
    return histories


def test_the_same_seed_gives_the_same_plays_and_another_seed_others() -> None:
    (_, plays), (_, again), (_, others) = (listen(seed, 2_000, num_listeners=50) for seed in (1, 1, 2))

    assert plays == again
    assert plays != others


def test_a_world_without_listeners_or_with_too_few_tracks_is_rejected() -> None:
    with pytest.raises(ValueError, match="a world cannot have 0 listeners"):
        World.build(np.random.default_rng(1), 0)
    with pytest.raises(ValueError, match="119 tracks and 12 genres; it needs at least"):
        World.build(np.random.default_rng(1), 5, 119)


@pytest.mark.parametrize(("num_tracks", "num_genres"), [(120, 12), (10, 1), (2_000, 12), (777, 5)])
def test_genres_artists_and_albums_each_partition_the_tracks(num_tracks: int, num_genres: int) -> None:
    music = World.build(np.random.default_rng(3), 5, num_tracks, num_genres=num_genres).music

    for ranges in (music.genres, music.artists, music.albums):
        assert all(ranges)
        assert [row for rows in ranges for row in rows] == list(range(num_tracks))
    assert len(music.genres) == num_genres
    assert len(set(music.track_ids)) == len(music.durations_ms) == len(music.mass) - 1 == num_tracks
    assert all(row in music.albums[album] for row, album in enumerate(music.album_of))
    assert all(row in music.genres[genre] for row, genre in enumerate(music.genre_of))


def test_draws_follow_popularity_within_the_range() -> None:
    music = World.build(np.random.default_rng(4), 1).music
    rows = music.artists[5]
    draws = Counter(music.draw(rows, chance) for chance in np.linspace(0, 1, 20_001))

    shares = np.diff(music.mass)[rows.start : rows.stop]

    assert set(draws) <= set(rows)
    np.testing.assert_allclose([draws[row] / 20_001 for row in rows], shares / shares.sum(), atol=2e-4)


def test_plays_come_in_order_of_time(heard: tuple[World, list[SimulatedPlay]]) -> None:
    _, plays = heard

    assert plays[0].played_at >= START_MS
    assert all(a.played_at <= b.played_at for a, b in pairwise(plays))


def test_a_listener_plays_one_track_at_a_time_and_rests_between_sessions(
    heard: tuple[World, list[SimulatedPlay]],
) -> None:
    _, plays = heard

    gaps_ms = np.array(
        [
            later.played_at - earlier.played_at - earlier.ms_played
            for history in by_listener(plays).values()
            for earlier, later in pairwise(history)
        ]
    )

    assert gaps_ms.min() > 0
    assert not np.any((gaps_ms > 1_000) & (gaps_ms < 45 * 60_000))
    assert 0.03 < np.mean(gaps_ms > 45 * 60_000) < 0.2  # sessions of about ten plays


def test_on_the_wire_a_simulated_play_is_a_play(heard: tuple[World, list[SimulatedPlay]]) -> None:
    simulated = heard[1][0]

    received = msgspec.json.decode(msgspec.json.encode(simulated), type=Play)

    assert msgspec.structs.asdict(received) == msgspec.structs.asdict(simulated)
    assert set(WAYS) <= set(CONTEXTS)


def test_albums_are_played_in_order(heard: tuple[World, list[SimulatedPlay]]) -> None:
    world, plays = heard
    rows = {track_id: row for row, track_id in enumerate(world.music.track_ids)}
    num_starts = num_steps = 0

    for history in by_listener(plays).values():
        for context, stretch in groupby(history, key=lambda play: play.context):
            for earlier, later in pairwise(stretch) if context == "album" else ():
                before, after = rows[earlier.track_id], rows[later.track_id]
                if after == before + 1 and world.music.album_of[before] == world.music.album_of[after]:
                    num_steps += 1
                else:
                    assert after == world.music.albums[world.music.album_of[after]].start
                    num_starts += 1

    assert num_steps > 10 * num_starts


def test_every_way_of_listening_is_used(heard: tuple[World, list[SimulatedPlay]]) -> None:
    contexts = Counter(play.context for play in heard[1])

    assert set(contexts) == set(WAYS)
    assert min(contexts.values()) > 0.03 * 60_000


def test_listeners_return_to_tracks_of_their_own(heard: tuple[World, list[SimulatedPlay]]) -> None:
    library = [(play.user_id, play.track_id) for play in heard[1] if play.context == "library"]
    earlier, later = set(library[: len(library) // 2]), library[len(library) // 2 :]
    swapped = [(user_id, track_id) for (user_id, _), (_, track_id) in pairwise(later)]

    again = np.mean([play in earlier for play in later])
    by_chance = np.mean([play in earlier for play in swapped])

    assert again > 0.6
    assert by_chance < 0.2 * again


def test_a_fad_surges_among_all_listeners_and_fades(heard: tuple[World, list[SimulatedPlay]]) -> None:
    world, plays = heard
    during = [play for play in plays if play.played_at < START_MS + FAD_MS]
    after = [play for play in plays if play.played_at >= START_MS + FAD_MS]
    fad = world.music.track_ids[world.fad(START_MS)]

    fans = {play.user_id for play in during if play.track_id == fad}

    assert world.fad(START_MS + FAD_MS) != world.fad(START_MS)
    assert Counter(play.track_id for play in during).most_common(1)[0][0] == fad
    assert len(fans) > 0.5 * len({play.user_id for play in during})
    assert sum(play.track_id == fad for play in after) / len(after) < 0.005


def test_disliked_tracks_are_skipped_more_often(heard: tuple[World, list[SimulatedPlay]]) -> None:
    world, plays = heard
    rows = {track_id: row for row, track_id in enumerate(world.music.track_ids)}
    listeners = {user_id: listener for listener, user_id in enumerate(world.listeners.user_ids)}

    def loved(play: SimulatedPlay) -> bool:
        weights = world.genre_weights(listeners[play.user_id], play.played_at)
        return bool(weights[world.music.genre_of[rows[play.track_id]]] > 0.5 * weights.max())

    skips: dict[bool, list[bool]] = {True: [], False: []}
    for play in plays[::5]:
        skips[loved(play)].append(play.skipped)

    assert np.mean(skips[False]) > 3 * np.mean(skips[True]) > 0
    assert all(
        play.ms_played < play.duration_ms if play.skipped else play.ms_played == play.duration_ms for play in plays
    )


def test_taste_drifts_slowly_and_is_known_at_any_time() -> None:
    world = World.build(np.random.default_rng(5), 200)

    def taste(day: int) -> np.ndarray:
        return np.array([world.genre_weights(listener, START_MS + day * DAY_MS) for listener in range(200)])

    moved = {days: np.abs(taste(days) - taste(0)).sum(axis=1).mean() / 2 for days in (1, 7, 45)}

    np.testing.assert_allclose(taste(0).sum(axis=1), 1)
    assert moved[1] < 0.03
    assert moved[1] < moved[7] < moved[45]
    assert moved[45] > 0.2


def test_albums_are_played_only_after_they_come_out() -> None:
    debuts = Debuts(0.4, START_MS + 2 * DAY_MS, START_MS + 8 * DAY_MS)
    world = World.build(np.random.default_rng(5), 60, 1_200, debuts=debuts)
    music = world.music
    rows = {track_id: row for row, track_id in enumerate(music.track_ids)}
    begin_ms = {album: out_ms for album, out_ms in enumerate(music.out_from_ms) if out_ms}

    plays = list(islice(simulate(world, np.random.default_rng(6), START_MS), 30_000))

    new = [(play.played_at, music.album_of[rows[play.track_id]]) for play in plays]
    new = [(at_ms, album) for at_ms, album in new if album in begin_ms]
    assert len(begin_ms) == round(0.4 * len(music.albums))
    assert (min(begin_ms.values()), max(begin_ms.values())) == (debuts.from_ms, debuts.until_ms)
    assert all(at_ms >= begin_ms[album] for at_ms, album in new)
    assert {album for _, album in new} == set(begin_ms)
    assert all(music.is_out(world.fad(at_ms), at_ms) for at_ms in range(START_MS, START_MS + 9 * DAY_MS, DAY_MS))


def test_plays_follow_the_true_taste() -> None:
    world, plays = listen(6, 20_000, num_listeners=5)
    rows = {track_id: row for row, track_id in enumerate(world.music.track_ids)}

    for listener, history in enumerate(sorted(by_listener(plays).items())):
        radio = [play for play in history[1] if play.context == "radio"]
        heard_shares = np.bincount([world.music.genre_of[rows[p.track_id]] for p in radio], minlength=12) / len(radio)
        truth = np.mean([world.genre_weights(listener, play.played_at) for play in radio], axis=0)
        assert np.abs(heard_shares - truth).sum() / 2 < 0.1


class Counts:
    """Predictors of the next play that learn online."""

    def __init__(self) -> None:
        self.popularity: Counter[str] = Counter()
        self.own: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.after: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.last: dict[str, str] = {}

    def learn(self, play: SimulatedPlay) -> None:
        self.after[self.last.get(play.user_id, "")][play.track_id] += 1
        self.own[play.user_id][play.track_id] += 1
        self.popularity[play.track_id] += 1
        self.last[play.user_id] = play.track_id

    def predict(self, user_id: str) -> dict[str, list[str]]:
        """Rank 20 tracks in three ways."""
        popular, markov, own = (
            [track_id for track_id, _ in counts.most_common(20)]
            for counts in (self.popularity, self.after[self.last.get(user_id, "")], self.own[user_id])
        )
        mixed = list(dict.fromkeys(markov[:10] + own))[:20]
        return {"popularity": popular, "markov": list(dict.fromkeys(markov + popular))[:20], "markov and own": mixed}


@pytest.mark.long
def test_order_helps_by_far_and_taste_helps_beyond_it(heard: tuple[World, list[SimulatedPlay]]) -> None:
    _, plays = heard
    counts, hits = Counts(), Counter[str]()

    for number, play in enumerate(plays):
        if number >= 57_000:
            hits.update(way for way, tracks in counts.predict(play.user_id).items() if play.track_id in tracks)
        counts.learn(play)
    hit_rates = {way: num_hits / 3_000 for way, num_hits in hits.items()}

    assert hit_rates["popularity"] < 0.1
    assert 0.3 < hit_rates["markov"] < 0.5
    assert hit_rates["markov and own"] > hit_rates["markov"] + 0.05
