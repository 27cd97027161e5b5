"""One listener's play by a network, outside Refrain: what a stock stream processor calls for each record.

Everything is as cheap as Python allows: a state is one array of fixed layout, read and written without a parser. The
network is stepped with batches of one, by torch or by the loops that Refrain compiles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from models.config import NUM_COUNTED, RING_SIZE, NetworkConfig
from models.plays.catalogue import FIRST_TRACK, track_key
from models.plays.counts import CountMaps
from models.plays.histories import Histories
from models.release import load_release
from models.serving.recommender import Recommender
from models.serving.step import Ranked, step
from models.serving.step_input import StepInput
from tests.bench.peers.in_torch import TorchRecommender

STATE: Final = np.dtype(
    [
        ("num_plays", "<i8"),
        ("hidden", "<f4", NetworkConfig().hidden_size),
        ("track_keys", "<u8", RING_SIZE),
        ("played_at_ms", "<i8", RING_SIZE),
        ("repeats", "?", RING_SIZE),
        ("counted_keys", "<u8", NUM_COUNTED),
        ("counts", "<f4", NUM_COUNTED),
    ]
)

RECOMMENDERS: Final[Mapping[str, Callable[[Recommender], Recommender]]] = {
    "torch": TorchRecommender.of,
    "compiled": lambda released: released,
}
"""What steps the network of a release, by name."""


class Play(msgspec.Struct):
    """A play as the topic has it."""

    user_id: str
    track_id: str
    played_at: int


class Played(NamedTuple):
    """A state after a play, and the two lists as JSON."""

    state: bytes
    short_term: bytes
    long_term: bytes


class Player:
    """Moves states and ranks.

    Args:
        location: of the release.
        network: a name of `RECOMMENDERS`.
    """

    def __init__(self, location: str, network: str) -> None:
        torch.set_num_threads(1)
        self._recommender = RECOMMENDERS[network](load_release(location).recommender)
        self._track_ids = self._recommender.catalogue.track_ids
        self._encode = msgspec.json.Encoder().encode

    def play(self, state: bytes | None, play: Play) -> Played:
        """Answer one play of a listener; without a state, it is their first."""
        before = np.zeros(1, STATE) if state is None else np.frombuffer(state, STATE)
        key, held = np.uint64(track_key(play.track_id)), min(int(before["num_plays"][0]), RING_SIZE)
        histories = _histories(before, held, key, play.played_at)
        counts = CountMaps(before["counted_keys"], before["counts"])
        from_here = np.array([held])
        output = step(
            self._recommender,
            StepInput(before["hidden"], histories, from_here, counts, from_here, np.array([held])),
        )
        after = np.zeros(1, STATE)
        after["num_plays"], after["hidden"] = before["num_plays"] + 1, output.hidden
        newest = slice(max(0, held + 1 - RING_SIZE), held + 1)
        for name in ("track_keys", "played_at_ms", "repeats"):
            latest = getattr(histories, name)[newest]
            after[name][0, : len(latest)] = latest
        after["counted_keys"], after["counts"] = output.counts.track_keys, output.counts.counts
        short_term, long_term = (self._list(play, ranked) for ranked in output.ranked)
        return Played(after.tobytes(), short_term, long_term)

    def _list(self, play: Play, ranked: Ranked) -> bytes:
        tracks = [
            {"track_id": self._track_ids[row - FIRST_TRACK], "score": score}
            for row, score in zip(ranked.rows[0].tolist(), ranked.scores[0].round(4).tolist(), strict=True)
        ]
        return self._encode({"user_id": play.user_id, "played_at": play.played_at, "tracks": tracks})


def _histories(before: NDArray[np.void], held: int, key: np.uint64, played_at_ms: int) -> Histories:
    track_keys = np.append(before["track_keys"][0, :held], key)
    return Histories(
        bounds=np.array([0, held + 1]),
        track_keys=track_keys,
        played_at_ms=np.append(before["played_at_ms"][0, :held], played_at_ms),
        contexts=np.zeros(held + 1, np.uint8),
        repeats=np.append(before["repeats"][0, :held], key in track_keys[:held]),
    )
