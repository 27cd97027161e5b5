from __future__ import annotations

import numpy as np

from models.serving.track_map import NUM_GROUPS
from models.training.track_groups import NO_GROUP, assign, group_tracks

KINDS = np.repeat(np.arange(NUM_GROUPS), 40)


def vectors_of(seed: int) -> np.ndarray:
    vectors = np.eye(NUM_GROUPS, 16)[KINDS] + 0.1 * np.random.default_rng(seed).standard_normal((len(KINDS), 16))
    units: np.ndarray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return units


def test_similar_tracks_are_in_a_group_and_others_in_another() -> None:
    groups = assign(vectors_of(0), group_tracks(vectors_of(0)))

    assert len({(kind, group) for kind, group in zip(KINDS.tolist(), groups.tolist(), strict=True)}) == NUM_GROUPS


def test_groups_keep_their_numbers() -> None:
    earlier = (NUM_GROUPS - 1 - KINDS).copy()
    earlier[::5] = NO_GROUP

    np.testing.assert_array_equal(assign(vectors_of(1), group_tracks(vectors_of(1), earlier)), NUM_GROUPS - 1 - KINDS)


def test_a_group_that_lost_its_members_begins_anew() -> None:
    earlier = np.where(KINDS == 3, NO_GROUP, KINDS)

    groups = assign(vectors_of(2), group_tracks(vectors_of(2), earlier))

    np.testing.assert_array_equal(groups, KINDS)


def test_there_are_no_more_groups_than_tracks() -> None:
    vectors = vectors_of(0)[::100]

    assert assign(vectors, group_tracks(vectors)).max() < len(vectors)
