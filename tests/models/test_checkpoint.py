from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from models.catalogue import Catalogue
from models.checkpoint import InvalidCheckpoint, Snapshot, differences, fingerprint_of
from models.config import NetworkConfig, TrainingConfig
from models.histories import Histories

SNAPSHOT = Snapshot({"plays": 3}, {"epoch": 1, "generator": {"state": 1 << 100}}, {"weight": torch.arange(6.0)})


def test_a_snapshot_comes_back_as_it_was() -> None:
    again = Snapshot.from_bytes(SNAPSHOT.to_bytes())

    assert (again.fingerprint, again.position) == (SNAPSHOT.fingerprint, SNAPSHOT.position)
    assert torch.equal(again.tensors["weight"], SNAPSHOT.tensors["weight"])


@pytest.mark.parametrize("content", [b"", b"nonsense", SNAPSHOT.to_bytes()[:-1], SNAPSHOT.to_bytes()[:40]])
def test_what_is_no_snapshot_is_told_apart(content: bytes) -> None:
    with pytest.raises(InvalidCheckpoint, match="is no checkpoint"):
        Snapshot.from_bytes(content)


def test_a_snapshot_of_another_format_is_refused() -> None:
    newer = SNAPSHOT.to_bytes().replace(b'format_version\\": 1', b'format_version\\": 2')

    with pytest.raises(InvalidCheckpoint, match="has format version 2, this program reads 1"):
        Snapshot.from_bytes(newer)


def test_a_fingerprint_names_what_differs(draw_histories: Callable[..., Histories], catalogue: Catalogue) -> None:
    histories, configs = draw_histories(1), (NetworkConfig(), TrainingConfig())
    fingerprint = fingerprint_of(histories, None, catalogue, configs)

    later = replace(histories, played_at_ms=histories.played_at_ms + 1)
    shorter = (NetworkConfig(hidden_size=16), TrainingConfig(epochs=3))

    assert differences(fingerprint, fingerprint_of(draw_histories(1), None, catalogue, configs)) == []
    (plays,) = differences(fingerprint, fingerprint_of(later, None, catalogue, configs))
    assert plays.startswith("plays_sha256 ")
    assert differences(fingerprint, fingerprint_of(histories, None, catalogue, shorter)) == [
        "network.hidden_size 128, not 16",
        "training.epochs 6, not 3",
    ]
