from __future__ import annotations

import numpy as np
import pytest
import torch

from models.config import CONTEXTS, NetworkConfig, RerankerConfig
from models.networks.network import TasteNetwork
from models.plays.catalogue import Catalogue
from models.plays.histories import gather_histories
from models.serving.recommender import Recommender
from models.serving.step import step
from models.serving.step_input import StepInput
from models.training.reranker_counts import counted_reranker

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")]


@pytest.mark.parametrize("has_second_stage", [False, True])
def test_cuda_and_cpu_agree_on_states_and_scores(*, has_second_stage: bool) -> None:
    rng = np.random.default_rng(0)
    catalogue = Catalogue([f"t{track}" for track in range(5000)])
    torch.manual_seed(0)
    network = TasteNetwork(NetworkConfig(), 5000).eval()
    for weights in (*network.ring_weights, *network.ring_gates):
        torch.nn.init.normal_(weights)
    listeners = rng.integers(0, 100, 20_000)
    tracks = catalogue.keys[rng.zipf(1.3, 20_000) % 5000]
    contexts = rng.integers(0, len(CONTEXTS), 20_000).astype(np.uint8)
    histories = gather_histories(listeners, tracks, np.arange(20_000) * 90_000, contexts)
    step_input = StepInput.from_nothing(histories, np.arange(0, 20_000, 7), num_hidden=128)

    counted = counted_reranker(histories, catalogue, network.config, RerankerConfig()) if has_second_stage else None
    for weights in [] if counted is None else counted.parameters():
        torch.nn.init.normal_(weights, std=0.1)

    cpu = step(Recommender(network, catalogue, counted), step_input, heard_masked=(0, 10))
    network.to("cuda")
    on_cuda = None if counted is None else counted.to("cuda")
    cuda = step(Recommender(network, catalogue, on_cuda), step_input, heard_masked=(0, 10))

    np.testing.assert_allclose(cuda.hidden, cpu.hidden, atol=1e-4)  # without TF32 only the order of sums differs
    for found, expected in zip(cuda.ranked, cpu.ranked, strict=True):
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
        assert (found.rows == expected.rows).mean() > 0.99  # neighbours closer than the tolerance may change places
