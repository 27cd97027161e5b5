"""Leaving out, compiled: the states of one listener without each of their tracks, all moved at once, play by play.

Up to the first play of a track, nothing is different without it: its state begins as a copy of the whole one there.
What all states read of a play is the same, but for the one whose track was played just before: it has another gap.

K plays, L states, E embedding, F features, H hidden.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled_products, inlined
from models.serving.compiled_network import CompiledNetwork
from models.serving.exponentials import exp

_ONE: Final = np.float32(1)
_TWO: Final = np.float32(2)


@compiled_products
def fold_without(
    network: CompiledNetwork,
    plays: tuple[NDArray[np.int64], NDArray[np.int64]],
    features: NDArray[np.float32],
    features_after: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Fold the plays of a listener from nothing: all of them, and without each track.

    Args:
        network: its items and its recurrence.
        plays: int64 (K,), catalogue rows, oldest first; int64 (K,), the numbers of their tracks, from 1 in the order of
            their first plays.
        features: float32 (K, F), of each play after the one before.
        features_after: float32 (K, F), of each play where the track before it was left out.

    Returns:
        float32 (L, H): the state after all plays, then those without the plays of track 1, 2, ...
    """
    rows, numbers = plays
    num_states = 1
    for number in numbers:
        num_states = max(num_states, number + 1)
    states = np.zeros((-(-num_states // 4) * 4, len(network.state_weights)), np.float32)
    products = np.empty((len(states), 3 * states.shape[1]), np.float32)
    inputs, other_inputs, kept = np.empty_like(products[0]), np.empty_like(products[0]), np.empty_like(states[0])
    num_begun = 1
    for play in range(len(rows)):
        number = numbers[play]
        if number == num_begun:
            states[number] = states[0]
            num_begun += 1
        kept[:] = states[number]
        before = numbers[play - 1] if play > 0 else number
        _multiply(products, states, network, num_begun)
        _read_play(inputs, network, rows[play], features[play])
        for state in range(num_begun):
            if state == before and before != number:
                _read_play(other_inputs, network, rows[play], features_after[play])
                _move(states[state], other_inputs, products[state])
            else:
                _move(states[state], inputs, products[state])
        states[number] = kept
    return states[:num_states]


@inlined
def _multiply(
    products: NDArray[np.float32], states: NDArray[np.float32], network: CompiledNetwork, num_begun: int
) -> None:
    """Compute what the first states (L, H) add to the gates: (L, 3 H).

    Four units of four states at once: sixteen products for eight loads, in loops as long as the gates are wide.
    """
    weights, biases = network.state_weights, network.state_biases
    num_units, num_fours = len(weights), len(weights) // 4 * 4
    for state in range(0, num_begun, 4):
        first, second, third, fourth = products[state], products[state + 1], products[state + 2], products[state + 3]
        first[:], second[:], third[:], fourth[:] = biases, biases, biases, biases
        for unit in range(0, num_fours, 4):
            a0, a1, a2, a3 = _four(states[state], unit)
            b0, b1, b2, b3 = _four(states[state + 1], unit)
            c0, c1, c2, c3 = _four(states[state + 2], unit)
            d0, d1, d2, d3 = _four(states[state + 3], unit)
            for gate in range(len(biases)):
                w0, w1 = weights[unit, gate], weights[unit + 1, gate]
                w2, w3 = weights[unit + 2, gate], weights[unit + 3, gate]
                first[gate] = first[gate] + a0 * w0 + a1 * w1 + a2 * w2 + a3 * w3
                second[gate] = second[gate] + b0 * w0 + b1 * w1 + b2 * w2 + b3 * w3
                third[gate] = third[gate] + c0 * w0 + c1 * w1 + c2 * w2 + c3 * w3
                fourth[gate] = fourth[gate] + d0 * w0 + d1 * w1 + d2 * w2 + d3 * w3
        for unit in range(num_fours, num_units):
            for other in range(state, state + 4):
                for gate in range(len(biases)):
                    products[other, gate] += states[other, unit] * weights[unit, gate]


@inlined
def _four(state: NDArray[np.float32], unit: int) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    return state[unit], state[unit + 1], state[unit + 2], state[unit + 3]


@inlined
def _read_play(inputs: NDArray[np.float32], network: CompiledNetwork, row: int, features: NDArray[np.float32]) -> None:
    """Compute what a play adds to the gates: (3 H,)."""
    item, length, weights = network.items[row], network.lengths[row], network.input_weights
    inputs[:] = network.input_biases
    for place in range(len(item)):
        for gate in range(len(inputs)):
            inputs[gate] += item[place] * length * weights[place, gate]
    for place in range(len(features)):
        for gate in range(len(inputs)):
            inputs[gate] += features[place] * weights[len(item) + place, gate]


@inlined
def _move(state: NDArray[np.float32], inputs: NDArray[np.float32], products: NDArray[np.float32]) -> None:
    """Move a state (H,) as torch.nn.GRU does; the others are (3 H,), of the reset, update and new gates."""
    size = len(state)
    for unit in range(size):
        reset = _sigmoid(inputs[unit] + products[unit])
        update = _sigmoid(inputs[size + unit] + products[size + unit])
        new = _TWO * _sigmoid(_TWO * (inputs[2 * size + unit] + reset * products[2 * size + unit])) - _ONE  # tanh
        state[unit] = new + update * (state[unit] - new)


@inlined
def _sigmoid(number: np.float32) -> np.float32:
    sigmoid: np.float32 = np.reciprocal(_ONE + exp(-number))  # a division would be checked for zero, one by one
    return sigmoid
