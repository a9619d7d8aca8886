"""The tail: by SciPy's binomial distribution, by hand, and by how often its interval holds the truth."""

import numpy as np
import pytest
from scipy import stats

from harness.stats.estimate import ALPHA
from harness.stats.tail import FEWEST, P99, ranks, tail
from tests.factories import timing


def test_the_quantile_is_the_nearest_rank_of_all_rounds_of_all_replicates() -> None:
    found = tail([timing(round_ns=tuple(range(1, 61))), timing(round_ns=tuple(range(61, 101)))])
    assert (found.ns, found.rounds, found.replicates, found.why) == (99, 100, 2, "")


def test_one_round_in_a_hundred_may_be_longer_and_a_second_one_is_the_tail() -> None:
    assert tail([timing(round_ns=(10,) * 99 + (500,))]).ns == 10
    assert tail([timing(round_ns=(10,) * 98 + (500,) * 2)]).ns == 500


def test_of_too_few_rounds_there_is_none_and_it_says_how_many_there_are() -> None:
    found = tail([timing(round_ns=(10,) * (FEWEST - 1))])
    assert (found.ns, found.why, found.rounds) == (None, "99 rounds, fewer than 100", 99)
    assert tail([]).why == "0 rounds, fewer than 100"


def test_rounds_of_several_calls_have_no_tail() -> None:
    found = tail([timing(round_ns=(10,) * 200), timing(round_ns=(10,) * 200, calls_per_round=4)])
    assert (found.ns, found.why) == (None, "a round has 4 calls, so that no single one is known")
    assert tail([timing(round_ns=(10,) * 200, steps_per_call=200)]).ns is None


@pytest.mark.parametrize("count", [100, 402, 403, 1000, 20_000])
@pytest.mark.parametrize("share", [0.5, P99])
def test_each_end_of_the_interval_is_the_innermost_rank_that_errs_seldom_enough(count: int, share: float) -> None:
    low, high = ranks(count, share)
    binomial = stats.binom(count, share)
    assert low is not None
    assert binomial.cdf(low - 1) <= ALPHA / 2 < binomial.cdf(low)  # P(X_(low) > quantile)
    if high is None:
        assert binomial.sf(count - 1) > ALPHA / 2
    else:
        assert binomial.sf(high - 1) <= ALPHA / 2 < binomial.sf(high - 2)


def test_the_upper_end_needs_403_rounds() -> None:
    assert ranks(402, P99)[1] is None
    assert ranks(403, P99)[1] == 403
    assert tail([timing(round_ns=tuple(range(1, 403)))]).high_ns is None
    assert tail([timing(round_ns=tuple(range(1, 404)))]).high_ns == 403


def test_its_interval_holds_the_truth_of_independent_rounds_as_often_as_it_says() -> None:
    rng = np.random.default_rng(19)
    truth = stats.lognorm(0.3, scale=40_000).ppf(P99)
    held = 0
    for _ in range(2000):
        rounds = rng.lognormal(np.log(40_000), 0.3, 1000)
        found = tail([timing(round_ns=tuple(rounds))])
        assert found.low_ns is not None
        assert found.high_ns is not None
        held += found.low_ns <= truth <= found.high_ns
    assert 0.96 <= held / 2000 <= 0.99  # at least 96.5 %; ranks are whole, so somewhat more
