"""The charts of efficiency: what is drawn of known records, and in which panels."""

import itertools
from collections.abc import Sequence

import pytest

from harness.report.charts.all import charts
from harness.report.charts.chart import Chart
from harness.report.charts.scaling import scaling
from harness.report.tables.all import tables
from harness.validity.results import Run
from tests.factories import framework, ranked, run, strategy
from tests.harness.report.scaled import records, scaled_run


def drawn(of: Run) -> Sequence[Chart]:
    return scaling(tables(of).scaling.rows, {"torch": 0, "jax": 1}, of.facts, "")


def test_strong_and_weak_have_a_chart_each_with_a_panel_for_each_workload() -> None:
    strong, weak = drawn(scaled_run(list(records(works=("mlp", "convnet")))))
    assert (strong.name, strong.title) == ("scaling", "Efficiency, strong scaling")
    assert (weak.name, weak.title) == ("scaling-2", "Efficiency, weak scaling")
    for chart in (strong, weak):
        assert [chart.svg.count(f"{work} adam, 2 ranks") for work in ("mlp", "convnet")] == [1, 1]
        assert chart.svg.count("PyTorch ddp-compile") == 2
        assert "against the sizes of a workload" in chart.about
    assert "an n-th of the time" in strong.about
    assert "in the time of one rank" in weak.about


def test_workloads_of_one_size_share_a_panel_in_the_order_of_their_operations() -> None:
    strong, _ = drawn(scaled_run(list(records(sizes=("S",), works=("mlp", "convnet")))))
    assert strong.svg.count("adam, 2 ranks") == 1
    assert strong.svg.count("JAX shard-map") == 1
    assert "mlp S" in strong.svg
    assert "convnet S" in strong.svg
    assert "against the works" in strong.about


def test_each_number_of_ranks_has_a_panel_and_one_rank_has_none() -> None:
    strong, _ = drawn(scaled_run(list(records(2, ranks=(1, 2, 4)))))
    assert [strong.svg.count(f"mlp adam, {ranks} rank") for ranks in (1, 2, 4)] == [0, 1, 1]


def test_panels_without_room_are_named() -> None:
    found = [
        ranked(ranks, of={"size": size, "workload": work})
        for ranks, size, work in itertools.product((1, 2, 4), ("S", "M"), ("a", "b", "c", "d"))
    ]
    (strong,) = drawn(run(found))
    assert strong.about.endswith(" Not drawn: c adam, 4 ranks and d adam, 4 ranks.")


def test_an_efficiency_above_one_is_on_the_axis() -> None:
    (strong,) = drawn(run([ranked(1, step_us=300), ranked(2, step_us=100)]))
    assert "1.50" in strong.svg


@pytest.mark.parametrize("found", [[], [ranked(1)], [ranked(2)], [ranked(1), ranked(2, status="failed", reason="x")]])
def test_nothing_is_drawn_without_an_efficiency(found: list[object]) -> None:
    assert drawn(run(found)) == ()  # type: ignore[arg-type]  # of an empty list


def test_it_is_the_first_picture_of_the_page() -> None:
    torch = framework(strategies=(strategy(),))
    shown = run([ranked(1), ranked(2)], frameworks=(torch,))
    assert next(iter(charts(shown, tables(shown)))).name == "scaling"
