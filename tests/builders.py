"""Data that many tests share: plays on the wire, records as Kafka delivers them, states, tiny releases."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch
from aiokafka import ConsumerRecord

from models.config import (
    NUM_COUNTED,
    RING_SIZE,
    ArchitectureConfig,
    DiscountConfig,
    NetworkConfig,
    RecurrentConfig,
    RerankerConfig,
    TrainingConfig,
    WeightsConfig,
)
from models.networks.architectures import make_network
from models.networks.network import Network, TasteNetwork
from models.plays.catalogue import PAD, Catalogue, track_key
from models.recipes import Recipe
from models.release import Release, SavedRelease, save_release
from models.release_files import DataWindow, Json
from models.release_folder import Folder
from models.serving.recommender import Recommender
from models.serving.track_map import TrackMap
from streamer.wire.state import BIT_REPEATS, BIT_SKIPPED, States, encode

#: 2023-11-14, well before any broker's clock.
NOON_MS: Final = 1_700_000_000_000

#: The tracks of the tiny releases; any other id is unknown to them.
TRACK_IDS: Final = tuple(f"t{number}" for number in range(12))

#: One of every architecture, and of every cell.
TINY_CONFIGS: Final[Mapping[str, ArchitectureConfig]] = {
    "refrain": NetworkConfig(embedding_size=4, hidden_size=6),
    "recurrent-gru": RecurrentConfig(embedding_size=4, units=5),
    "recurrent-lstm": RecurrentConfig(embedding_size=4, units=3, cell="lstm"),
    "playlists": RecurrentConfig(embedding_size=4, units=5, reads_gaps=False, contexts=()),
    "discount": DiscountConfig(embedding_size=4, factors=(0.0, 0.9)),
    "weights": WeightsConfig(embedding_size=4, num_songs=10),
}

#: Sizes that make any recipe's network tiny.
_TINY_SIZES: Final = {"embedding_size": 8, "units": 12, "hidden_size": 12}

WINDOW: Final = DataWindow(from_ms=NOON_MS - 1000, until_ms=NOON_MS, num_plays=2, num_listeners=1)


def play_value(user: str, track: str, played_at: int | str = NOON_MS, **fields: object) -> bytes:
    """A play as a producer writes it."""
    return msgspec.json.encode({"user_id": user, "track_id": track, "played_at": played_at, **fields})


def record(
    offset: int, key: bytes | None, value: bytes | None, *, partition: int = 0, timestamp_ms: int = NOON_MS
) -> ConsumerRecord[bytes, bytes]:
    """A record of `plays`, or of any topic, as the consumer delivers it."""
    key_size, value_size = len(key or b""), len(value or b"")
    return ConsumerRecord(
        "plays", partition, offset, timestamp_ms, 0, key, value, None, key_size, value_size, headers=()
    )  # fmt: skip


def play(
    offset: int, user: str, track: str, played_at: int = NOON_MS, *, partition: int = 0, **fields: object
) -> ConsumerRecord[bytes, bytes]:
    """A valid play."""
    return record(offset, user.encode(), play_value(user, track, played_at, **fields), partition=partition)


def tombstone(offset: int, user: str, *, partition: int = 0) -> ConsumerRecord[bytes, bytes]:
    """A listener's request to be forgotten."""
    return record(offset, user.encode(), None, partition=partition)


def tiny_network(
    seed: int = 7, *, num_tracks: int = len(TRACK_IDS), embedding_size: int = 4, hidden_size: int = 6
) -> TasteNetwork:
    """A network whose ring terms and gates are far from zero, as after training."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = TasteNetwork(NetworkConfig(embedding_size=embedding_size, hidden_size=hidden_size), num_tracks)
        for weights in (*network.ring_weights, *network.ring_gates):
            torch.nn.init.normal_(weights)
    return network.eval().requires_grad_(requires_grad=False)


def network_of(config: ArchitectureConfig, seed: int = 7, *, num_tracks: int = len(TRACK_IDS)) -> Network:
    """A network of any kind, none of whose weights has its initial value."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = make_network(config, num_tracks)
        for parameter in network.parameters():
            if parameter is not network.temperature:
                torch.nn.init.normal_(parameter)
        with torch.no_grad():
            network.embedding.weight[PAD] = 0
    return network.eval().requires_grad_(requires_grad=False)


def tiny_release(seed: int = 7, *, track_ids: Sequence[str] = TRACK_IDS, hidden_size: int = 6) -> Release:
    """A release as a worker holds it."""
    return release_of(tiny_network(seed, num_tracks=len(track_ids), hidden_size=hidden_size), seed, track_ids)


def release_of(network: Network, seed: int, track_ids: Sequence[str] = TRACK_IDS) -> Release:
    """A release of a network as a worker holds it."""
    release_id = f"release-{seed}"
    return Release(
        release_id=release_id,
        key=track_key(release_id),
        recommender=Recommender(network, Catalogue(track_ids)),
        metrics={},
        data_window=WINDOW,
        created_at_ms=NOON_MS,
    )


def save_tiny_release(
    directory: Path,
    seed: int = 7,
    *,
    created_at_ms: int = NOON_MS,
    metrics: Mapping[str, Json] | None = None,
    track_map: TrackMap | None = None,
) -> SavedRelease:
    """A release as a trainer saves it in a shared folder; it passed the gate unless its metrics say otherwise."""
    return save_release(
        Folder(str(directory)),
        Recommender(tiny_network(seed), Catalogue(TRACK_IDS)),
        training=TrainingConfig(),
        metrics={"seed": seed, "passed": True} if metrics is None else metrics,
        data_window=WINDOW,
        created_at_ms=created_at_ms,
        track_map=track_map,
    )


def tiny_recipe(recipe: Recipe) -> Recipe:
    """A recipe with small sizes and few epochs."""
    names = {field.name for field in fields(recipe.network)}
    sizes: dict[str, Any] = {name: size for name, size in _TINY_SIZES.items() if name in names}
    training = replace(recipe.training, epochs=min(recipe.training.epochs, 1), item_epochs=2)
    second_stage = recipe.second_stage and RerankerConfig(
        num_first_stage=8, num_counted=4, num_neighbours=6, num_pair_followers=3, hidden_units=8
    )
    return replace(recipe, network=replace(recipe.network, **sizes), training=training, second_stage=second_stage)


def random_states(
    plays_seen: Sequence[int], *, num_hidden: int = 6, num_said: int = 0, release_key: int = 9, seed: int = 1
) -> States:
    """States of listeners with the given numbers of plays: full, partial and empty rings; counts of other tracks."""
    rng, num = np.random.default_rng(seed), len(plays_seen)
    seen = np.array(plays_seen, np.int64)
    is_taken = np.arange(RING_SIZE) < np.minimum(seen, RING_SIZE)[:, None]
    is_counted = np.arange(NUM_COUNTED) < np.minimum(seen, NUM_COUNTED)[:, None]
    shape = (num, RING_SIZE)
    return States(
        release_key=np.full(num, release_key, np.uint64),
        promoted_at_ms=np.full(num, NOON_MS, np.int64),
        plays_folded=seen.copy(),
        plays_seen=seen,
        repeats_seen=seen // 2,
        source_offset=seen * 10 - 1,
        played_at_ms=NOON_MS + seen,
        ring_track_keys=rng.integers(1, 1 << 64, shape, np.uint64) * is_taken,
        ring_played_at_ms=(NOON_MS + rng.integers(0, 1 << 30, shape)) * is_taken,
        ring_contexts=(rng.integers(0, 9, shape) * is_taken).astype(np.uint8),
        ring_bits=(rng.integers(0, (BIT_SKIPPED | BIT_REPEATS) + 1, shape) * is_taken).astype(np.uint8),
        counted_track_keys=rng.integers(1, 1 << 64, is_counted.shape, np.uint64) * is_counted,
        counts=rng.uniform(0.1, 9, is_counted.shape).astype(np.float32) * is_counted,
        hidden=rng.standard_normal((num, num_hidden)).astype(np.float32),
        said=rng.integers(1, 1 << 32, (num, num_said), np.uint32) * (seen > 0)[:, None].astype(np.uint32),
    )


def records_of(states: States) -> list[bytes]:
    """The record of each state."""
    return [record or b"" for record in encode(states).to_list()]


def state_of(states: States, row: int) -> States:
    """One listener's state."""
    return states.take(np.array([row]))


def state_fields(states: States) -> dict[str, list[Any]]:
    """The fields of states as plain lists, for exact comparison."""
    return {name: getattr(states, name).tolist() for name in States.__slots__}
