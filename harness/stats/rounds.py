"""What the rounds of a replicate show in addition to their median; arrays have the shape (replicates, rounds).

spread    how far rounds lie from the median
lag1      how much a round resembles the one before it
shifts    where the level changes once, and by how much
shapes    whether the rounds are flat, still warming up, slowing down, or in no steady state
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

SHIFT_LIMIT: Final = 0.01  # a smaller change of level is none
FEWEST: Final = 4  # rounds in which a change of level can be seen
NORMAL_MAD: Final = 1.4826  # a normal distribution's standard deviation over its median absolute deviation

Array = NDArray[np.float64]
Shape = Literal["flat", "warming up", "slowing down", "no steady state"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A change of level that chance does not explain."""

    at: int  # rounds before it
    by: float  # relative: 0.03 is 3 % slower from there on


def spread(rounds: Array) -> Array:
    """Return the relative spread of each replicate's rounds: 1.4826 · median absolute deviation ÷ median.

    For normally distributed rounds it is their coefficient of variation. One disturbed round does not change it.
    """
    middle = np.median(rounds, axis=1, keepdims=True)
    relative: Array = NORMAL_MAD * np.median(np.abs(rounds - middle), axis=1) / middle[:, 0]
    return relative


def lag1(rounds: Array) -> Array:
    """Return each replicate's lag-1 autocorrelation r₁ (Box and Jenkins); 0 for constant or fewer than three rounds."""
    if rounds.shape[1] < 3:
        return np.zeros(len(rounds))
    off = rounds - rounds.mean(axis=1, keepdims=True)
    variance = (off * off).sum(axis=1)
    products = (off[:, 1:] * off[:, :-1]).sum(axis=1)
    r1: Array = np.divide(products, variance, out=np.zeros(len(rounds)), where=variance > 0)
    return r1


def shifts(rounds: Array, alpha: float) -> list[Shift | None]:
    """Return where each replicate's level changes once by more than 1 %, by Pettitt's test at `alpha`; None: nowhere.

    Pettitt (1979), "A non-parametric approach to the change-point problem", Appl. Stat. 28: K = max |U_t|, where
    U_t = 2 · (sum of the first t ranks) - t (n + 1), and p ≈ 2 exp(-6 K² / (n³ + n²)).
    """
    n = rounds.shape[1]
    if n < FEWEST:
        return [None] * len(rounds)
    t = np.arange(1, n)
    walks = np.abs(2 * np.cumsum(_midranks(rounds), axis=1)[:, :-1] - t * (n + 1))  # (replicates, n - 1)
    changes = walks.argmax(axis=1)
    p = 2 * np.exp(-6 * walks.max(axis=1) ** 2 / (n**3 + n**2))
    return [
        _shift(replicate, int(change) + 1) if chance < alpha else None
        for replicate, change, chance in zip(rounds, changes, p, strict=True)
    ]


def shapes(rounds: Array, alpha: float) -> list[Shape]:
    """Return what each replicate's rounds look like, by up to two changes of level at `alpha` each.

    After Barrett et al. (2017), "Virtual machine warmup blows hot and cold", OOPSLA, with Pettitt's test instead of
    their segmentation: one change to a faster level is a warm-up, to a slower one a slowdown, and a level that changes
    again on the longer side is no steady state.
    """
    return [_shape(replicate, shift, alpha) for replicate, shift in zip(rounds, shifts(rounds, alpha), strict=True)]


def _shape(rounds: Array, shift: Shift | None, alpha: float) -> Shape:
    if shift is None:
        return "flat"
    longer = max(rounds[: shift.at], rounds[shift.at :], key=len)
    if shifts(longer[np.newaxis], alpha)[0]:
        return "no steady state"
    return "warming up" if shift.by < 0 else "slowing down"


def _shift(rounds: Array, at: int) -> Shift | None:
    before, after = float(np.median(rounds[:at])), float(np.median(rounds[at:]))
    by = after / before - 1 if before > 0 else 0.0
    return Shift(at=at, by=by) if abs(by) > SHIFT_LIMIT else None


def _midranks(rounds: Array) -> Array:
    """Return each round's rank in its replicate from 1, equal rounds have the mean of their ranks."""
    ranks: Array = np.empty_like(rounds)
    for replicate, ranked in zip(rounds, ranks, strict=True):  # by sorting: there may be tens of thousands of rounds
        in_order = np.sort(replicate)
        # As many are less, and as many are not more: the ranks of equal rounds lie between the two.
        ranked[:] = (
            np.searchsorted(in_order, replicate, "left") + np.searchsorted(in_order, replicate, "right") + 1
        ) / 2
    return ranks
