"""What --env accepts, and the sentence for what it does not."""

import pytest

from bench.catalogue import PolicyOffer, framework_offer
from harness.errors import SelectionError
from harness.plan.variables import differences, named
from tests import factories

TORCH = factories.framework(environment=(("OMP_NUM_THREADS", "{threads}"),))


def test_a_name_alone_has_the_callers_value_and_all_are_sorted() -> None:
    assert named(["XLA_FLAGS=--a=1", "B", "EMPTY="], {"B": "2", "C": "3"}, [TORCH]) == (
        "B=2",
        "EMPTY=",
        "XLA_FLAGS=--a=1",
    )
    assert named(["A=1", "A=1"], {}, []) == ("A=1",)
    assert named([], {"C": "3"}, [TORCH]) == ()


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (["=1"], "'=1' names no variable"),
        ([""], "names no variable"),
        (["A B=1"], "names no variable"),
        (["MISSING"], "MISSING: it is not set here; write --env MISSING=VALUE"),
        (["OMP_NUM_THREADS=4"], "bench/frameworks/torch.py sets OMP_NUM_THREADS itself"),
        (["PYTHONPATH=/x"], "samestep sets PYTHONPATH itself"),
        (["TMPDIR"], "samestep sets TMPDIR itself"),
        (["PYTHONHASHSEED=1"], "samestep sets PYTHONHASHSEED itself"),
        (["SAMESTEP_KEEPER=7"], "samestep sets SAMESTEP_KEEPER itself"),
        (["A=1", "A=2"], "A is given twice, with different values"),
        (["A=\x1b[31m"], "characters that cannot be shown"),
        (["A=\udcff"], "characters that cannot be shown"),
        (["A=1\n2"], "characters that cannot be shown"),
    ],
)
def test_what_cannot_be_named_gets_a_sentence(typed: list[str], sentence: str) -> None:
    with pytest.raises(SelectionError) as error:
        named(typed, {"TMPDIR": "/tmp"}, [TORCH])
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_the_variables_of_an_allocator_policy_are_the_frameworks_own() -> None:
    expandable = PolicyOffer(name="expandable", environment=(("PYTORCH_CUDA_ALLOC_CONF", "x"),), devices=("cuda",))
    policy = factories.framework(allocators=(expandable,))
    with pytest.raises(SelectionError, match="sets PYTORCH_CUDA_ALLOC_CONF itself"):
        named(["PYTORCH_CUDA_ALLOC_CONF=y"], {}, [policy])


@pytest.mark.parametrize("variable", ["TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"])
@pytest.mark.parametrize("framework", ["torch", "lightning", "fastai", "keras_torch"])
def test_a_compile_cache_of_pytorch_is_each_replicates_own(framework: str, variable: str) -> None:
    """One that a user named would make every replicate but the first warm."""
    offer = framework_offer(framework)
    assert [value[:10] for name, value in offer.environment if name == variable] == ["{scratch}/"]
    with pytest.raises(SelectionError, match=f"{framework}.py sets {variable} itself"):
        named([f"{variable}=/elsewhere"], {}, [offer])


def test_differences_say_what_is_gone_and_what_is_new() -> None:
    assert differences(("A=1",), ("A=1",)) == ""
    assert differences(("A=1", "B=2"), ("A=2",)) == "without A=1, B=2; with A=2"
