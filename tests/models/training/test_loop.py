"""A fit that is interrupted anywhere and resumes from its checkpoint ends in the weights of an uninterrupted one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from models.config import ArchitectureConfig, NetworkConfig, RecurrentConfig, TrainingConfig, WeightsConfig
from models.networks.network import Network
from models.plays.catalogue import Catalogue
from models.plays.histories import Histories
from models.serving.recommender import Recommender
from models.training.checkpoint import Fingerprint, Snapshot
from models.training.context import FitContext
from models.training.fit import fit, fit_shards
from models.training.loop import Progress
from models.training.shards import Shard

SMALL = NetworkConfig(embedding_size=8, hidden_size=16, contexts=())
FULL = TrainingConfig(epochs=2, batch_plays=64, stream_plays=30, item_epochs=1)
SAMPLED = dataclasses.replace(FULL, max_full_softmax_tracks=1, num_negatives=8)


class Cut(Exception):  # noqa: N818
    """Raised to end a fit early."""


class Kept:
    """A checkpoint in memory, as bytes; written after every so many batches."""

    def __init__(self, every: int = 1) -> None:
        self.every, self.num_checks, self.content = every, 0, b""

    @property
    def earlier(self) -> Kept:
        raise AssertionError("a network alone has no earlier network")

    def read(self, fingerprint: Fingerprint) -> Snapshot | None:
        if not self.content:
            return None
        snapshot = Snapshot.from_bytes(self.content)
        assert snapshot.fingerprint == fingerprint
        return snapshot

    def is_due(self, *, epoch_ended: bool) -> bool:  # noqa: ARG002
        self.num_checks += 1
        return self.num_checks % self.every == 0

    def write(self, snapshot: Snapshot) -> None:
        self.content = snapshot.to_bytes()


def cut_after(batches: int) -> Callable[[Progress], None]:
    """Watch a fit, and end it after so many batches."""
    reports: list[Progress] = []

    def watch(progress: Progress) -> None:
        if progress.epoch:
            reports.append(progress)
        if len(reports) == batches:
            raise Cut

    return watch


def shards_of(histories: Histories) -> list[Shard]:
    """Four shards of three listeners each, and an empty one."""
    listeners = np.arange(histories.num_listeners)
    return [Shard(histories.of(listeners[first::4])) for first in range(4)] + [Shard(histories.of(listeners[:0]))]


def same(one: Network, other: Network) -> bool:
    others = other.state_dict()
    return all(torch.equal(tensor, others[name]) for name, tensor in one.state_dict().items())


@pytest.fixture(scope="module")
def histories(draw_histories: Callable[..., Histories]) -> Histories:
    return draw_histories(3, num_listeners=12, num_plays=400)


@pytest.mark.long
@pytest.mark.parametrize(
    ("config", "sizes"),
    [
        (FULL, SMALL),
        (SAMPLED, SMALL),
        (dataclasses.replace(FULL, loss="cosine"), RecurrentConfig(embedding_size=8, units=5, cell="lstm")),
        (dataclasses.replace(FULL, loss="squared"), WeightsConfig(embedding_size=8, num_songs=5)),
    ],
)
def test_a_fit_interrupted_anywhere_ends_in_the_same_weights(
    histories: Histories, catalogue: Catalogue, config: TrainingConfig, sizes: ArchitectureConfig
) -> None:
    reports: list[Progress] = []
    whole = fit(histories, catalogue, config, network_config=sizes, context=FitContext(progress=reports.append))
    reports = [progress for progress in reports if progress.epoch]

    for cut in (1, reports[0].num_batches, reports[0].num_batches + 2):
        kept = Kept()
        with pytest.raises(Cut):
            fit(
                histories,
                catalogue,
                config,
                network_config=sizes,
                context=FitContext(progress=cut_after(cut), checkpoint=kept),
            )
        torch.rand(7)  # the resumed process has another random state
        resumed = fit(histories, catalogue, config, network_config=sizes, context=FitContext(checkpoint=kept))

        assert same(resumed, whole), cut


def test_a_fit_killed_between_checkpoints_repeats_what_was_not_kept(histories: Histories, catalogue: Catalogue) -> None:
    whole = fit(histories, catalogue, FULL, network_config=SMALL)
    kept = Kept(every=4)
    fit(histories, catalogue, FULL, network_config=SMALL, context=FitContext(progress=lambda _: None, checkpoint=kept))

    assert kept.num_checks % 4 != 0  # so the latest snapshot is older than the end
    assert same(fit(histories, catalogue, FULL, network_config=SMALL, context=FitContext(checkpoint=kept)), whole)


def test_a_fit_that_ends_early_keeps_every_batch(histories: Histories, catalogue: Catalogue) -> None:
    kept = Kept(every=1000)

    with pytest.raises(Cut):
        fit(
            histories, catalogue, FULL, network_config=SMALL, context=FitContext(progress=cut_after(5), checkpoint=kept)
        )

    reports: list[Progress] = []
    fit(histories, catalogue, FULL, network_config=SMALL, context=FitContext(progress=reports.append, checkpoint=kept))
    assert (reports[0].epoch - 1) * reports[0].num_batches + reports[0].batch == 6


def test_a_resumed_fit_does_not_learn_item_vectors_again(
    histories: Histories, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept()
    with pytest.raises(Cut):
        fit(
            histories, catalogue, FULL, network_config=SMALL, context=FitContext(progress=cut_after(1), checkpoint=kept)
        )

    monkeypatch.setattr("models.training.warm_start.item_vectors", None)

    fit(histories, catalogue, FULL, network_config=SMALL, context=FitContext(checkpoint=kept))


def test_the_start_of_a_fit_is_part_of_its_fingerprint(histories: Histories, catalogue: Catalogue) -> None:
    start = Recommender(fit(histories, catalogue, FULL, network_config=SMALL), catalogue)
    kept = Kept()
    with pytest.raises(Cut):
        fit(histories, catalogue, FULL, start=start, context=FitContext(progress=cut_after(1), checkpoint=kept))

    with pytest.raises(AssertionError):
        fit(histories, catalogue, FULL, network_config=SMALL, context=FitContext(checkpoint=kept))
    assert same(
        fit(histories, catalogue, FULL, start=start, context=FitContext(checkpoint=kept)),
        fit(histories, catalogue, FULL, start=start),
    )


@pytest.mark.long
@pytest.mark.parametrize("config", [FULL, SAMPLED])
def test_a_fit_over_shards_interrupted_in_any_of_them_ends_in_the_same_weights(
    histories: Histories, catalogue: Catalogue, config: TrainingConfig
) -> None:
    shards, reports = shards_of(histories), list[Progress]()
    whole = fit_shards(shards, catalogue, config, network_config=SMALL, context=FitContext(progress=reports.append))
    reports = [progress for progress in reports if progress.epoch]

    for cut in (1, reports[0].num_batches // 2, reports[0].num_batches, reports[0].num_batches + 1):
        kept = Kept()
        with pytest.raises(Cut):
            fit_shards(
                shards,
                catalogue,
                config,
                network_config=SMALL,
                context=FitContext(progress=cut_after(cut), checkpoint=kept),
            )
        resumed = fit_shards(shards, catalogue, config, network_config=SMALL, context=FitContext(checkpoint=kept))

        assert same(resumed, whole), cut


def test_an_epoch_goes_through_the_shards_in_an_order_of_its_own(histories: Histories, catalogue: Catalogue) -> None:
    shards, reports, orders = Watched(shards_of(histories)), list[Progress](), list[list[int]]()

    def watch(progress: Progress) -> None:
        reports.append(progress)
        if progress.batch == progress.num_batches:
            orders.append(shards.forget())

    fit_shards(shards, catalogue, TrainingConfig(epochs=5, batch_plays=64, item_epochs=1),
               network_config=SMALL, context=FitContext(progress=watch))  # fmt: skip

    epochs = orders[1:]  # after the passes of word2vec
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in epochs[:-1])
    assert len({tuple(order) for order in epochs}) > 1
    assert [progress.batch for progress in reports if progress.epoch == 2] == list(
        range(1, 1 + next(progress.num_batches for progress in reports[::-1] if progress.epoch == 2))
    )


class Watched(Sequence[Shard]):
    """Shards that record which of them are read."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self._shards, self._reads = shards, list[int]()

    def __len__(self) -> int:
        return len(self._shards)

    def __getitem__(self, number: int) -> Shard:  # type: ignore[override]  # no caller slices
        if number < len(self._shards):
            self._reads.append(number)
        return self._shards[number]

    def forget(self) -> list[int]:
        reads, self._reads = self._reads, []
        return reads
