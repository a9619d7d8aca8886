"""The plan is pure, seeded, and every block holds every cell once."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from harness.plan.plan import make_plan
from tests.factories import cell

CELLS = tuple(cell(mode=f"mode{number}") for number in range(7))


@given(blocks=st.integers(1, 8), seed=st.integers(0, 2**31))
def test_every_block_holds_every_cell_once(blocks: int, seed: int) -> None:
    plan = make_plan(CELLS, blocks=blocks, seed=seed)
    replicates = list(plan.in_order())
    assert [planned.position for planned in replicates] == list(range(1, 7 * blocks + 1))
    for block in range(1, blocks + 1):
        assert Counter(planned.cell for planned in replicates if planned.block == block) == Counter(CELLS)


def test_the_same_seed_gives_the_same_plan_on_every_host() -> None:
    assert make_plan(CELLS, blocks=3, seed=42) == make_plan(CELLS, blocks=3, seed=42)
    assert make_plan(CELLS, blocks=3, seed=42).order[0] == (5, 0, 6, 2, 4, 3, 1)  # frozen: a resumed run depends on it


def test_another_seed_gives_another_order() -> None:
    assert make_plan(CELLS, blocks=3, seed=1).order != make_plan(CELLS, blocks=3, seed=2).order


def test_order_is_random_in_every_position() -> None:
    first = Counter(make_plan(CELLS, blocks=1, seed=seed).order[0][0] for seed in range(700))
    assert all(60 <= first[index] <= 140 for index in range(7))  # 100 each, three standard deviations are 28


def test_every_replicate_has_its_own_hash_seed() -> None:
    seeds = [planned.hash_seed for planned in make_plan(CELLS, blocks=6, seed=42).in_order()]
    assert len(set(seeds)) == len(seeds)


def test_hello_worlds_stay_out_of_the_later_blocks_when_the_profile_says_so() -> None:
    hello = tuple(cell(framework=name, mode="hello", track="idiomatic") for name in ("torch", "jax"))
    plan = make_plan((*CELLS, *hello), blocks=3, seed=42, hello_blocks=1)
    replicates = list(plan.in_order())
    assert Counter(planned.cell for planned in replicates if planned.block == 1) == Counter((*CELLS, *hello))
    assert Counter(planned.cell for planned in replicates if planned.block in (2, 3)) == Counter((*CELLS, *CELLS))
    assert [planned.position for planned in replicates] == list(range(1, 7 * 3 + 2 + 1))
    assert str(plan) == "9 cells × 3 blocks (hello worlds in 1 of them) = 23 replicates, seed 42"


def test_hello_worlds_alone_run_in_every_block() -> None:
    (hello,) = (cell(mode="hello", track="idiomatic"),)
    assert str(make_plan((hello,), blocks=3, seed=42, hello_blocks=1)) == "1 cell × 3 blocks = 3 replicates, seed 42"
