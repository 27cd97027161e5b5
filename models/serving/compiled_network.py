"""Refrain's own network on a CPU, compiled: what `TasteNetwork` computes, without the overhead of torch's operators.

Listeners are moved one at a time, so neither the batch nor its size can change a state. Sums are taken in another order
than in torch; states agree within 1e-6.

Shapes as in `Network`; N plays to fold, Q = NUM_RING_WEIGHTS.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.compiled import compiled_sums, inlined
from models.config import HORIZONS
from models.networks.items import ReleasedItems
from models.networks.network import NUM_RING_WEIGHTS, TasteNetwork
from models.plays.catalogue import PAD
from models.plays.ring import NUM_BIGRAMS, NUM_COUNTS, NUM_RECENCIES

_ONE, _TWO = np.float32(1), np.float32(2)
_LEAST_LENGTH: Final = np.float32(1e-12)  # as in torch.nn.functional.normalize


class CompiledNetwork(NamedTuple):
    """The weights of a network, laid out for the kernels: float32, outputs side by side.

    Item vectors are not copied; a release's are unit vectors and lengths.

    Attributes:
        items: (M + 2, E).
        lengths: (M + 2,), what each of the items is multiplied by.
        input_weights: (E + F, 3 H), of the reset, update and new gates.
        input_biases: (3 H,).
        state_weights: (H, 3 H).
        state_biases: (3 H,).
        norm: (2, H), scales and shifts of the normalised state.
        read_weights: (H, 2 E + 2 Q), of the heads, then of the ring gates.
        read_biases: (2 E + 2 Q,), of the heads, then the ring weights.
        epsilon: added to the variance of a state.
        temperature: of the network.
    """

    items: NDArray[np.float32]
    lengths: NDArray[np.float32]
    input_weights: NDArray[np.float32]
    input_biases: NDArray[np.float32]
    state_weights: NDArray[np.float32]
    state_biases: NDArray[np.float32]
    norm: NDArray[np.float32]
    read_weights: NDArray[np.float32]
    read_biases: NDArray[np.float32]
    epsilon: np.float32
    temperature: np.float32

    @classmethod
    def of(cls, network: TasteNetwork) -> Self:
        """Lay out the weights of a network, which must be final."""
        weights = network.state_dict()
        of_heads, of_gates, ring = (
            [weights[name.format(horizon)] for horizon in range(len(HORIZONS))]
            for name in ("heads.{}.weight", "ring_gates.{}", "ring_weights.{}")
        )
        biases = [weights[f"heads.{horizon}.bias"] for horizon in range(len(HORIZONS))]
        items, lengths = _items_of(network)
        return cls(
            items,
            lengths,
            _copy(weights["recurrence.weight_ih_l0"].T),
            _copy(weights["recurrence.bias_ih_l0"]),
            _copy(weights["recurrence.weight_hh_l0"].T),
            _copy(weights["recurrence.bias_hh_l0"]),
            _copy(torch.stack([weights["norm.weight"], weights["norm.bias"]])),
            _copy(torch.cat([*(head.T for head in of_heads), *of_gates], dim=1)),
            _copy(torch.cat([*biases, *ring])),
            np.float32(network.norm.eps),
            np.float32(weights["temperature"].item()),
        )


def _items_of(network: TasteNetwork) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    embedding = network.embedding
    if isinstance(embedding, ReleasedItems):
        return embedding.unit_vectors.numpy(), embedding.lengths.numpy()
    items = embedding.weight.detach().numpy()
    return items, np.ones(len(items), np.float32)


def _copy(weights: Tensor) -> NDArray[np.float32]:
    return np.array(weights.numpy(), np.float32, order="C")


@compiled_sums
def move_states(
    network: CompiledNetwork,
    plays: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]],
    bounds: NDArray[np.int64],
    anchors: NDArray[np.int64],
    states: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Move each listener's state through their new plays, in place; return the states at the anchors.

    Args:
        network: its items and its recurrence.
        plays: int64 (B,), where the new plays of each listener end among the N; int64 (N,), their indices among all P
            plays, rising; int64 (N,), their catalogue rows; float32 (N, F), their features.
        bounds: int64 (B + 1,), the listeners among the P plays.
        anchors: int64 (A,), rising indices into the P plays.
        states: float32 (B, H).

    Returns:
        float32 (A, H).
    """
    ends, indices, rows, features = plays
    at_anchors = np.empty((len(anchors), states.shape[1]), np.float32)
    size, inputs = network.items.shape[1], np.empty(len(network.input_weights), np.float32)
    from_input, from_state = np.empty_like(network.input_biases), np.empty_like(network.state_biases)
    play = anchor = 0
    for listener in range(len(states)):
        state = states[listener]
        while play < ends[listener]:
            while anchor < len(anchors) and anchors[anchor] < indices[play]:
                at_anchors[anchor] = state
                anchor += 1
            inputs[:size], inputs[size:] = network.items[rows[play]] * network.lengths[rows[play]], features[play]
            from_input[:], from_state[:] = network.input_biases, network.state_biases
            _add_product(from_input, inputs, network.input_weights)
            _add_product(from_state, state, network.state_weights)
            _apply_gates(state, from_input, from_state)
            play += 1
        while anchor < len(anchors) and anchors[anchor] < bounds[listener + 1]:
            at_anchors[anchor] = state
            anchor += 1
    return at_anchors


@compiled_sums
def read_states(
    network: CompiledNetwork, states: NDArray[np.float32], rows: NDArray[np.int64], groups: NDArray[np.int16]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Read taste vectors and ring terms; see `models.serving.reading`.

    Args:
        network: its heads, ring weights and gates.
        states: float32 (A, H).
        rows: int64 (A, W), as in `RingWindows`.
        groups: int16 (A, W), as in `RingWindows`.

    Returns:
        float32 (2, A, E) and float32 (2, A, W).
    """
    size = len(network.read_biases) // len(HORIZONS) - NUM_RING_WEIGHTS  # E
    tastes = np.empty((len(HORIZONS), len(states), size), np.float32)
    terms = np.zeros((len(HORIZONS), *rows.shape), np.float32)
    read, outputs = np.empty(states.shape[1], np.float32), np.empty_like(network.read_biases)
    for anchor in range(len(states)):
        _normalise_state(read, states[anchor], network.norm, network.epsilon)
        outputs[:] = network.read_biases
        _add_product(outputs, read, network.read_weights)
        for horizon in range(len(HORIZONS)):
            vector = outputs[horizon * size : (horizon + 1) * size]
            tastes[horizon, anchor] = vector / max(np.sqrt((vector * vector).sum()), _LEAST_LENGTH)
            weights = outputs[len(HORIZONS) * size + horizon * NUM_RING_WEIGHTS :]
            for place in range(rows.shape[1]):
                if rows[anchor, place] == PAD:  # tracks come first
                    break
                terms[horizon, anchor, place] = _ring_term(weights, groups[anchor, place]) / network.temperature
    return tastes, terms


@inlined
def _add_product(outputs: NDArray[np.float32], inputs: NDArray[np.float32], weights: NDArray[np.float32]) -> None:
    """Add inputs (n,) @ weights (n, m) to outputs (m,); four rows at once, so that outputs are loaded once for four."""
    num_fours = len(inputs) // 4 * 4
    for row in range(0, num_fours, 4):
        first, second, third, fourth = inputs[row], inputs[row + 1], inputs[row + 2], inputs[row + 3]
        for column in range(len(outputs)):
            outputs[column] += (
                first * weights[row, column]
                + second * weights[row + 1, column]
                + third * weights[row + 2, column]
                + fourth * weights[row + 3, column]
            )
    for row in range(num_fours, len(inputs)):
        for column in range(len(outputs)):
            outputs[column] += inputs[row] * weights[row, column]


@inlined
def _apply_gates(
    state: NDArray[np.float32], from_input: NDArray[np.float32], from_state: NDArray[np.float32]
) -> None:  # fmt: skip
    """Move a state (H,) as torch.nn.GRU does; the others are (3 H,), of the reset, update and new gates."""
    size = len(state)
    for unit in range(size):
        reset = _sigmoid(from_input[unit] + from_state[unit])
        update = _sigmoid(from_input[size + unit] + from_state[size + unit])
        new = _TWO * _sigmoid(_TWO * (from_input[2 * size + unit] + reset * from_state[2 * size + unit])) - _ONE  # tanh
        state[unit] = new + update * (state[unit] - new)


@inlined
def _sigmoid(number: np.float32) -> np.float32:
    sigmoid: np.float32 = _ONE / (_ONE + math.exp(-number))
    return sigmoid


@inlined
def _normalise_state(
    read: NDArray[np.float32], state: NDArray[np.float32], norm: NDArray[np.float32], epsilon: np.float32
) -> None:
    """Normalise a state (H,) as torch.nn.LayerNorm does."""
    size = np.float32(len(state))
    centred = state - state.sum() / size
    scale = _ONE / np.sqrt((centred * centred).sum() / size + epsilon)
    read[:] = centred * scale * norm[0] + norm[1]


@inlined
def _ring_term(weights: NDArray[np.float32], group: int) -> np.float32:
    """Add up the three weights of a group, see `RingWindows.groups`."""
    recency, count = group // (NUM_COUNTS * NUM_BIGRAMS), group // NUM_BIGRAMS % NUM_COUNTS
    bigram = NUM_RECENCIES + NUM_COUNTS + group % NUM_BIGRAMS
    term: np.float32 = weights[recency] + weights[NUM_RECENCIES + count] + weights[bigram]
    return term
