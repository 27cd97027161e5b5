"""The start of a fit: item vectors learned from sessions, or the weights of an earlier network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from models.config import TrainingConfig
from models.networks.network import ITEM_NAMES, Network
from models.plays.catalogue import FIRST_TRACK, UNKNOWN, Catalogue
from models.serving.recommender import Recommender
from models.training.item_vectors import Streams, item_vectors, vectors_of_neighbours


def start_afresh(
    network: Network,
    config: TrainingConfig,
    *,
    streams: Streams,
    after_pass: Callable[[], None] | None = None,
) -> None:
    """Give a new network's tracks the vectors word2vec learns from the sessions.

    Args:
        network: its other weights keep their random initial values.
        config: word2vec's settings and the seed.
        streams: the plays.
        after_pass: called after every pass over the sessions.
    """
    weight = network.embedding.weight
    num_tracks = len(weight) - FIRST_TRACK
    vectors = item_vectors(streams, num_tracks, weight.shape[1], config, after_pass=after_pass)
    with torch.no_grad():
        weight[FIRST_TRACK:] = torch.from_numpy(vectors)


def start_from(
    network: Network,
    config: TrainingConfig,
    *,
    start: Recommender,
    catalogue: Catalogue,
    streams: Streams,
) -> None:
    """Copy an earlier network's weights to one over a new catalogue; new tracks get the vector of their neighbours.

    Args:
        network: of the earlier one's config; overwritten.
        config: the window of a track's neighbours, and the seed.
        start: the earlier network over its catalogue.
        catalogue: the network's.
        streams: the plays.
    """
    earlier = start.network.embedding.weight.detach().cpu().numpy()
    places = start.catalogue.rows(catalogue.keys)
    items = vectors_of_neighbours(earlier[places], places != UNKNOWN, streams, config)
    weights = {name: weight for name, weight in start.network.state_dict().items() if not name.startswith(ITEM_NAMES)}
    weights[f"{ITEM_NAMES}weight"] = torch.from_numpy(np.concatenate([earlier[:FIRST_TRACK], items]))
    network.load_state_dict(weights)
