"""Two processes that train together end where one would, except for the order in which float32 sums are taken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from models.training.criterion import Pieces
from models.training.ranks import Ranks, SharedDropout

_TOLERANCE = 1e-5  # of weights and losses around 1, after 10 batches; 1e-6 was measured

_RANK = """
import sys
import numpy as np, torch
from safetensors.torch import save_file
from torch import distributed
from models.plays.catalogue import Catalogue, track_keys
from models.config import NetworkConfig, TrainingConfig
from models.plays.histories import gather_histories
from models.training.context import FitContext
from models.training.ranks import Ranks
from models.training.fit import fit

rank, size, num_full, directory = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
torch.set_num_threads(1)
if size > 1:
    meeting = f"file://{directory}/meet-{num_full}"
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=size)
ids, rng = [f"t{number}" for number in range(30)], np.random.default_rng(1)
listeners, tracks = rng.integers(0, 17, 600), rng.zipf(1.3, 600) % 30
histories = gather_histories(listeners, track_keys(ids)[tracks], np.arange(600) * 90_000)
config = TrainingConfig(epochs=2, batch_plays=150, stream_plays=25, item_epochs=1, max_full_softmax_tracks=num_full)
network_config = NetworkConfig(embedding_size=8, hidden_size=16, contexts=())
losses = []
context = FitContext(progress=lambda progress: progress.epoch and losses.append(progress.loss), ranks=Ranks(rank, size))
network = fit(histories, Catalogue(ids), config, network_config=network_config, context=context)
save_file({**network.state_dict(), "losses": torch.tensor(losses)}, f"{directory}/{num_full}-{size}-{rank}")
if size > 1:
    distributed.destroy_process_group()
"""


def fit_together(size: int, num_full: int, directory: Path) -> list[dict[str, torch.Tensor]]:
    command = [sys.executable, "-W", "error", "-c", _RANK]
    ranks = [
        subprocess.Popen([*command, *map(str, (rank, size, num_full, directory))]) for rank in range(size)
    ]  # fmt: skip
    assert [rank.wait(200) for rank in ranks] == [0] * size
    return [load_file(directory / f"{num_full}-{size}-{rank}") for rank in range(size)]


@pytest.mark.slow
@pytest.mark.parametrize("num_full", [100, 1])
def test_two_ranks_end_where_one_process_does(tmp_path: Path, num_full: int) -> None:
    (alone,) = fit_together(1, num_full, tmp_path)

    first, second = fit_together(2, num_full, tmp_path)

    assert all(torch.equal(first[name], second[name]) for name in first)
    for name, tensor in alone.items():
        torch.testing.assert_close(first[name], tensor, atol=_TOLERANCE, rtol=_TOLERANCE)


def pieces(*lengths: int) -> Pieces:
    ends = np.cumsum(lengths, dtype=np.int64)
    return Pieces(ends - lengths, ends, ends + 1)


def test_every_piece_belongs_to_a_rank_and_is_weighted_by_its_plays() -> None:
    batch = pieces(5, 4, 3, 3, 1)

    parts, shares = zip(*(Ranks(rank, 3).part_of(batch) for rank in range(3)), strict=True)

    assert np.concatenate([batch.plays()[part.plays_of_part()] for part in parts]).tolist() == batch.plays().tolist()
    assert [share * 16 for share in shares] == pytest.approx([5, 7, 4])


def test_a_rank_without_a_piece_computes_one_with_weight_zero() -> None:
    part, share = Ranks(0, 2).part_of(pieces(7))

    assert (part.part, share) == (slice(0, 1), 0.0)


@pytest.mark.parametrize("first_sizes", [(12,), (3, 4)])
def test_ranks_together_drop_what_one_process_would(first_sizes: tuple[int, ...]) -> None:
    whole = torch.nn.Dropout(0.3)
    values = torch.ones(*first_sizes, 5)
    batch = pieces(4, 4, 4)

    torch.manual_seed(9)
    dropped = whole(values)

    together = []
    for rank in range(2):
        network = torch.nn.Sequential(SharedDropout(0.3))
        part, _ = Ranks(rank, 2).part_of(batch)
        Ranks(rank, 2).expect(network, part)
        torch.manual_seed(9)
        together.append(network(values[part.part if len(first_sizes) > 1 else part.plays_of_part()]))
    assert torch.equal(torch.cat(together), dropped)


def test_dropout_of_a_part_with_shorter_pieces_is_that_of_the_batch() -> None:
    batch, network = pieces(4, 2), torch.nn.Sequential(SharedDropout(0.3))
    torch.manual_seed(9)
    dropped = torch.nn.Dropout(0.3)(torch.ones(2, 4, 5))

    part, _ = Ranks(1, 2).part_of(batch)
    Ranks(1, 2).expect(network, part)
    torch.manual_seed(9)

    assert torch.equal(network(torch.ones(1, 2, 5)), dropped[1:, :2])


def test_one_process_changes_nothing() -> None:
    network, alone = torch.nn.Sequential(torch.nn.Dropout(0.3)), Ranks()

    alone.prepare(network)

    assert not isinstance(network[0], SharedDropout)
    assert alone.hand_out(b"bytes") == b"bytes"
    assert [alone.any(is_so) for is_so in (True, False)] == [True, False]
    batch, share = alone.part_of(pieces(3, 2))
    assert (batch.part, share) == (slice(0, 2), 1.0)
