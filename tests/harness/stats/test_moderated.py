"""Moderated variances, compared with the posterior that an independent integration gives and with simulated tables."""

import math
import statistics

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, special
from scipy import stats as scipy_stats

from harness.stats import estimate, moderated
from tests.harness.stats.measure_alternation import moderation
from tests.harness.stats.test_estimate import there


def drawn(variance: float, freedom: float, ratios: int, blocks: int, seed: int = 1) -> list[list[float]]:
    """A table whose variances come from the prior: scaled inverse χ²."""
    rng = np.random.default_rng(seed)
    variances = freedom * variance / rng.chisquare(freedom, ratios)
    table: list[list[float]] = np.exp(rng.normal(0, np.sqrt(variances)[:, np.newaxis], (ratios, blocks))).tolist()
    return table


class TestPrior:
    def test_is_the_one_that_the_variances_were_drawn_from(self) -> None:
        found = there(moderated.prior(drawn(0.016**2, 6, ratios=20_000, blocks=3)))
        assert found.variance == pytest.approx(0.016**2, rel=0.03)
        assert found.freedom == pytest.approx(6, rel=0.15)
        assert found.pooled == 40_000

    def test_agrees_with_the_most_likely_one(self) -> None:
        """s² ÷ s₀² has Fisher's F distribution; SciPy's maximum likelihood is another way to s₀² and d₀."""
        table = drawn(0.016**2, 4, ratios=3000, blocks=4)
        variances = np.array([statistics.variance(map(math.log, ratios)) for ratios in table])

        def unlikely(at: NDArray[np.float64]) -> float:
            scale, freedom = math.exp(at[0]), math.exp(at[1])
            return -float(scipy_stats.f.logpdf(variances, 3, freedom, scale=scale).sum())

        best = optimize.minimize(unlikely, np.array([math.log(0.0002), 1.0]), method="Nelder-Mead").x
        found = there(moderated.prior(table))
        assert found.variance == pytest.approx(math.exp(best[0]), rel=0.05)
        assert found.freedom == pytest.approx(math.exp(best[1]), rel=0.15)

    def test_solves_both_equations_of_the_moments(self) -> None:
        table = drawn(0.02**2, 5, ratios=30, blocks=3)
        found = there(moderated.prior(table))
        logs = [math.log(statistics.variance(map(math.log, ratios))) for ratios in table]
        half = found.freedom / 2
        assert statistics.variance(logs) == pytest.approx(
            special.polygamma(1, 1) + special.polygamma(1, half), rel=1e-6
        )
        mean = math.log(found.variance) + special.psi(1) - special.psi(half) + math.log(half)
        assert statistics.fmean(logs) == pytest.approx(mean)

    def test_equal_variances_are_pooled(self) -> None:
        rng = np.random.default_rng(3)
        found = there(moderated.prior(np.exp(rng.normal(0, 0.02, (40, 6))).tolist()))
        assert found.freedom > 30
        assert found.variance == pytest.approx(0.02**2, rel=0.2)

    def test_there_is_none_from_four_ratios_from_single_blocks_or_without_noise(self) -> None:
        assert moderated.prior(drawn(0.01, 4, ratios=4, blocks=2)) is None
        assert moderated.prior([[1.0]] * 9) is None
        assert moderated.prior([[1.0, 1.0]] * 9) is None


class TestPair:
    PRIOR = moderated.Prior(variance=0.016**2, freedom=4.0, pooled=40)

    def test_interval_is_that_of_the_integrated_posterior(self) -> None:
        """The mean's posterior, variance integrated out on a grid, gives the same 96.5 % as the formula."""
        ratios = [1.02, 0.995]
        logs = np.log(ratios)
        variances = np.geomspace(1e-8, 1, 20_000)
        prior = scipy_stats.invgamma.pdf(variances, 2.0, scale=2.0 * 0.016**2)
        likelihood = variances**-0.5 * np.exp(-((logs - logs.mean()) ** 2).sum() / (2 * variances))  # one degree left
        weights = prior * likelihood * np.gradient(variances)
        weights /= weights.sum()
        half = math.log(there(self.PRIOR.pair(ratios).ratio.interval).high) - logs.mean()
        beyond = float(weights @ (2 * scipy_stats.norm.sf(half / np.sqrt(variances / 2))))
        assert beyond == pytest.approx(0.035, rel=1e-3)

    def test_p_is_alpha_where_the_interval_touches_1(self) -> None:
        ratios = [1.02, 0.995]
        low = there(self.PRIOR.pair(ratios).ratio.interval).low
        assert self.PRIOR.pair([ratio / low for ratio in ratios]).p == pytest.approx(0.035)

    def test_a_ratio_far_noisier_than_the_others_keeps_the_wider_interval(self) -> None:
        ratios = [0.7, 1.4]
        found, plain = self.PRIOR.pair(ratios), estimate.estimate(ratios)
        assert there(found.ratio.interval).high == pytest.approx(there(plain.interval).high)
        assert found.ratio.value == plain.value

    def test_two_blocks_are_several_times_as_narrow_as_by_themselves(self) -> None:
        ratios = [1.011, 0.995]
        assert 4 * there(self.PRIOR.pair(ratios).ratio.half_width) < there(estimate.estimate(ratios).half_width)


@pytest.mark.parametrize(("noise", "ratios", "blocks"), [("normal", 15, 2), ("heavy tails", 15, 3), ("outliers", 8, 2)])
def test_coverage_of_tables_that_share_one_baseline(noise: str, ratios: int, blocks: int) -> None:
    found = moderation(ratios, blocks, tables=120, noise=noise)
    assert 0.92 <= found.moderated <= 0.98
    assert found.noisiest >= 0.8
    assert found.half_width < 0.7 * found.plain_half_width
