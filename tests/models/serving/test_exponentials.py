import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from models.serving.exponentials import exp


@compiled
def exp_all(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.empty_like(numbers)
    for place in range(len(numbers)):
        powers[place] = exp(numbers[place])
    return powers


def test_powers_are_exact_to_the_last_bits_and_cut_where_float32_ends() -> None:
    numbers = np.concatenate([np.linspace(-87, 88, 100_001), [0.0, 1e-8, -1e-8]]).astype(np.float32)

    powers = exp_all(numbers)

    np.testing.assert_allclose(powers, np.exp(numbers.astype(np.float64)), rtol=3e-7)
    np.testing.assert_array_equal(exp_all(np.array([-200, 200], np.float32)), exp_all(np.array([-87, 88], np.float32)))
