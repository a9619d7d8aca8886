"""How the page begins: three sentences at most, and the others further down."""

from harness.report import overview
from harness.report.page.opening import Opening, answers, opening
from harness.report.summary import summary
from harness.report.tables.all import tables
from harness.validity.results import Run
from tests.factories import cell, record, run
from tests.harness.report.example import example
from tests.harness.report.multiplied import ladders, large


def of(shown: Run, so_far: str = "") -> Opening:
    computed = tables(shown)
    return opening(shown, computed, overview.cells(shown, computed), so_far)


def test_has_three_sentences_at_most_and_loses_none() -> None:
    for shown in (example(), example("quick", 3), ladders(), run([record()]), run([])):
        found = of(shown)
        assert len(found.top) + bool(found.look) <= 3
        whole = " ".join((*found.top, *found.rest, found.look, found.go_on + found.command))
        lost = [sentence for sentence in summary(shown, tables(shown)) if sentence not in whole]
        assert all(sentence.startswith("Skipped, ") for sentence in lost)  # a section of its own has them


def test_a_first_look_says_so_and_gives_the_command_apart() -> None:
    found = of(example("quick", 3))
    assert found.look.startswith("This is a first look: 3 blocks")
    assert found.look.endswith(".")
    assert found.command.startswith("samestep run --profile default")
    assert of(example()).look == ""


def test_of_several_works_names_where_each_mode_is_fastest() -> None:
    assert of(ladders()).top[0] == (
        "The shortest step: JAX jit on mlp and pointwise, PyTorch compile-step on convnet, NumPy eager on"
        " regression_wide and TensorFlow xla on transformer (1 block)."
    )


def test_of_many_works_counts_them() -> None:
    assert of(large()).top[0] == (
        "The shortest step in the 25 columns below: JAX jit in 10, PyTorch compile-step in 5, NumPy eager in 5 and"
        " TensorFlow xla in 5 (1 block)."
    )


def test_where_others_may_be_as_short_it_says_so() -> None:
    noise = (1.0, 1.3, 0.8, 1.1, 0.9, 1.2)
    shown = run([
        record(cell(mode=mode, size=f"s{size}"), block=block, round_ns=(int(ns * noise[(block * shift) % 6]),) * 3)
        for size in range(4)
        for block in range(1, 7)
        for mode, ns, shift in (("eager", 100_000, 1), ("compile", 101_000, 5))
    ])  # fmt: skip
    found = of(shown)
    assert found.top[0].startswith("This session was too disturbed")
    assert "; in 4 of 4 other modes may be as short" in found.top[1]


def test_a_run_that_goes_on_begins_with_how_far_it_is() -> None:
    assert of(example(), so_far="After block 1 of 6.").top[0] == "After block 1 of 6."


def test_the_questions_have_an_answer_from_the_figures() -> None:
    found = overview.cells(ladders(), tables(ladders()))
    said = answers(found)
    assert said["overview"] == "4 modes with the shortest of 5 columns"
    assert said["memory"].startswith("peaks from ")
    assert said["doubts"] == "4 skipped and 96 of 96 with a warning"
    assert answers([]) == {}
