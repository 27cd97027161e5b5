"""Item vectors from listening sessions: word2vec with tracks as words and sessions as sentences.

Source: Mikolov et al. 2013 (CBOW with negative sampling); settings as in De Boom et al. 2018, adapted by measurement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.config import TrainingConfig
from models.plays.catalogue import FIRST_TRACK

Streams: TypeAlias = Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]]
"""Known tracks as rows in listening order, one listener after the other, int64 (P,), and the session of each, int64
(P,): a new value wherever one starts; none spans two listeners."""


@dataclass(frozen=True, slots=True)
class _Sentences:
    """Sessions of two plays and more, as words."""

    streams: Streams

    def __iter__(self) -> Iterator[list[str]]:
        for rows, sessions in self.streams:
            ends = np.flatnonzero(sessions[1:] != sessions[:-1]) + 1
            yield from (session.astype(str).tolist() for session in np.split(rows, ends) if len(session) > 1)


def item_vectors(
    streams: Streams,
    num_tracks: int,
    size: int,
    config: TrainingConfig,
    *,
    after_pass: Callable[[], None] | None = None,
) -> NDArray[np.float32]:
    """Learn a unit vector for every track from its neighbours in sessions.

    Args:
        streams: passed over several times; only the distinct words of all of them stay in memory.
        num_tracks: length of the catalogue, M.
        size: dimensions, E.
        config: word2vec's settings and the seed.
        after_pass: called after every pass over the sessions; an exception from it ends the learning.

    Returns:
        float32 (M, E), row r of the catalogue at r - FIRST_TRACK; random for tracks that were always alone.
    """
    vectors = np.random.default_rng(config.seed).standard_normal((num_tracks, size)).astype(np.float32)
    sentences = _Sentences(streams)
    if next(iter(sentences), None) is not None:
        rows, learned = _word2vec(sentences, size, config, after_pass)
        vectors[rows - FIRST_TRACK] = learned
    lengths: NDArray[np.float32] = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / lengths


def _word2vec(
    sentences: _Sentences, size: int, config: TrainingConfig, after_pass: Callable[[], None] | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Learn vectors of the tracks in some sessions: their rows (m,), and the vectors (m, E)."""
    from gensim.models import Word2Vec  # noqa: PLC0415  loads scipy, slower than torch; workers need neither
    from gensim.models.callbacks import CallbackAny2Vec  # noqa: PLC0415

    callback = CallbackAny2Vec()
    callback.on_epoch_end = lambda _: after_pass() if after_pass is not None else None
    model = Word2Vec(
        sentences,
        vector_size=size,
        window=config.item_window,
        negative=config.item_negatives,
        alpha=config.item_learning_rate,
        epochs=config.item_epochs,
        seed=config.seed,
        sg=0,
        ns_exponent=0.75,
        sample=0,  # keep the plays of popular tracks: they are rare compared with a language's stop words
        min_count=1,
        callbacks=[callback],
        workers=1,  # with more, the vectors differ from run to run
    )
    return np.array(model.wv.index_to_key, np.int64), model.wv.vectors


def vectors_of_neighbours(
    vectors: NDArray[np.float32],
    has_vector: NDArray[np.bool_],
    streams: Streams,
    config: TrainingConfig,
) -> NDArray[np.float32]:
    """Give tracks without a vector the mean direction of their neighbours, without any training.

    Neighbours are within word2vec's window in the same session; each occurrence counts. The new vectors have the mean
    length of the others. A track without a neighbour that has a vector gets a random direction.

    Args:
        vectors: float32 (M, E), arbitrary for tracks without a vector.
        has_vector: bool (M,).
        streams: passed over once.
        config: its window and seed are used.

    Returns:
        float32 (M, E), existing vectors unchanged.
    """
    lengths = np.linalg.norm(vectors[has_vector], axis=1, keepdims=True)
    units = np.zeros(vectors.shape)
    units[has_vector] = vectors[has_vector] / lengths
    sums = np.zeros(vectors.shape)
    for rows, sessions in streams:
        tracks = rows - FIRST_TRACK
        for distance in range(1, config.item_window + 1):
            together = np.flatnonzero(sessions[distance:] == sessions[:-distance])
            for ours, theirs in ((together, together + distance), (together + distance, together)):
                is_new = ~has_vector[tracks[ours]]
                np.add.at(sums, tracks[ours[is_new]], units[tracks[theirs[is_new]]])  # new neighbours add zeros
    alone = ~sums.any(axis=1)
    sums[alone] = np.random.default_rng(config.seed).standard_normal((int(alone.sum()), vectors.shape[1]))
    directions = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    mean_length = lengths.mean() if len(lengths) else 1.0
    return np.where(has_vector[:, None], vectors, directions * mean_length).astype(np.float32)
