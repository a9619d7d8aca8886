"""Magnitude pruning: of each weight matrix the numbers that are nearest to zero become zero, without training again.

Han et al. 2015 (arXiv:1506.02626) prune by magnitude and train what is left; here nothing is trained after it, so that
all that is lost is pruning's. Biases, gains and shifts are kept.
"""

from collections.abc import Mapping

import numpy as np

from bench.reference.workload import Array32, frozen


def pruned(parameters: Mapping[str, Array32], percent: int) -> Mapping[str, Array32]:
    """Return `parameters` with `percent` of the numbers of each array of two or more axes set to zero.

    It is the ⌊percent / 100 · n⌋ smallest magnitudes of n; of equal ones, those that come first.
    """
    if not percent:
        return parameters
    return {name: _pruned(array, percent) if array.ndim > 1 else array for name, array in parameters.items()}


def _pruned(array: Array32, percent: int) -> Array32:
    left = array.ravel().copy()
    smallest = np.argsort(np.abs(left), kind="stable")[: left.size * percent // 100]
    left[smallest] = 0
    return frozen(left.reshape(array.shape))
