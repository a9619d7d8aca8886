"""The plan is pure, seeded, and every block holds every cell once."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from harness.plan import make_plan
from tests.factories import cell

CELLS = tuple(cell(mode=f"mode{number}") for number in range(7))


@given(blocks=st.integers(1, 8), seed=st.integers(0, 2**31))
def test_every_block_holds_every_cell_once(blocks: int, seed: int) -> None:
    plan = make_plan(CELLS, blocks, seed)
    places = list(plan.places())
    assert [place.position for place in places] == list(range(1, 7 * blocks + 1))
    for block in range(1, blocks + 1):
        assert Counter(place.cell for place in places if place.block == block) == Counter(CELLS)


def test_the_same_seed_gives_the_same_plan_on_every_host() -> None:
    assert make_plan(CELLS, 3, 42) == make_plan(CELLS, 3, 42)
    assert make_plan(CELLS, 3, 42).order[0] == (5, 0, 6, 2, 4, 3, 1)  # frozen: a resumed run depends on it


def test_another_seed_gives_another_order() -> None:
    assert make_plan(CELLS, 3, 1).order != make_plan(CELLS, 3, 2).order


def test_order_is_random_in_every_position() -> None:
    first = Counter(make_plan(CELLS, 1, seed).order[0][0] for seed in range(700))
    assert all(60 <= first[index] <= 140 for index in range(7))  # 100 each, three standard deviations are 28


def test_every_replicate_has_its_own_hash_seed() -> None:
    seeds = [place.hash_seed for place in make_plan(CELLS, 6, 42).places()]
    assert len(set(seeds)) == len(seeds)
