from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from models.config import NetworkConfig, TrainingConfig
from models.plays.catalogue import Catalogue
from models.plays.histories import Histories
from models.training.checkpoint import Fingerprint, InvalidCheckpoint, Snapshot, differences, fingerprint_of
from models.training.shards import Shard, survey_of

SNAPSHOT = Snapshot({"plays": 3}, {"epoch": 1, "generator": {"state": 1 << 100}}, {"weight": torch.arange(6.0)})


def test_a_snapshot_comes_back_as_it_was() -> None:
    again = Snapshot.from_bytes(SNAPSHOT.to_bytes())

    assert (again.fingerprint, again.position) == (SNAPSHOT.fingerprint, SNAPSHOT.position)
    assert torch.equal(again.tensors["weight"], SNAPSHOT.tensors["weight"])


@pytest.mark.parametrize("content", [b"", b"nonsense", SNAPSHOT.to_bytes()[:-1], SNAPSHOT.to_bytes()[:40]])
def test_bytes_that_are_not_a_snapshot_are_refused(content: bytes) -> None:
    with pytest.raises(InvalidCheckpoint, match="is not a checkpoint"):
        Snapshot.from_bytes(content)


def test_a_snapshot_of_another_format_is_refused() -> None:
    older = SNAPSHOT.to_bytes().replace(b'format_version\\": 2', b'format_version\\": 1')

    with pytest.raises(InvalidCheckpoint, match="has format version 1, but this program reads 2"):
        Snapshot.from_bytes(older)


def test_a_fingerprint_names_what_differs(draw_histories: Callable[..., Histories], catalogue: Catalogue) -> None:
    def fingerprint(histories: Histories, hidden_size: int = 128, epochs: int = 6) -> Fingerprint:
        training = TrainingConfig(epochs=epochs)
        survey = survey_of([Shard(histories)], catalogue, training)
        return fingerprint_of(survey, catalogue, (NetworkConfig(hidden_size=hidden_size), training))

    histories = draw_histories(1)
    later = replace(histories, played_at_ms=histories.played_at_ms + 1)
    first = fingerprint(histories)

    assert differences(first, fingerprint(draw_histories(1))) == []
    (plays,) = differences(first, fingerprint(later))
    assert plays.startswith("plays_sha256 ")
    assert differences(first, fingerprint(histories, 16, 3)) == [
        "network.hidden_size 128, not 16",
        "training.epochs 6, not 3",
    ]
