"""Charts of lines: where names stand, what is left of a long line, and what the panels show."""

import itertools
import math
import random

import pytest

from bench.records.record import Record
from bench.reference.workload import LOSS_TOLERANCE
from harness.report.charts.costs import cost_of, costs, relative
from harness.report.charts.draw import draw
from harness.report.charts.lines import Axis, Line, Mark, Panel, panels, spread, thin
from harness.report.charts.losses import LOSS_GATE, losses
from harness.report.tables.all import tables
from harness.stats.estimate import Cost
from tests import factories
from tests.factories import cell, record, run
from tests.harness.report.charts.reading import compiled, elements, texts
from tests.harness.report.example import example


def axis(**changes: object) -> Axis:
    return Axis(**{"title": "n", "low": 1, "high": 100, "ticks": [1, 10, 100], "text": "datum.value", **changes})  # type: ignore[arg-type]


def panel(*lines: Line, **changes: object) -> Panel:
    return Panel(**{"title": "One", "lines": lines, "x": axis(), "y": axis(is_log=True), **changes})  # type: ignore[arg-type]


STRAIGHT = Line(name="straight", hue=3, points=[(1, 1), (100, 100)], marks=[Mark(x=50, y=50)])


@pytest.mark.parametrize("seed", range(20))
def test_names_keep_their_distance_their_order_and_their_room(seed: int) -> None:
    drawn = random.Random(seed)
    wanted = [drawn.uniform(0, 200) for _ in range(drawn.randrange(1, 15))]
    placed = spread(wanted, 200, 13)
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    sorted_places = [placed[at] for at in order]
    assert all(b - a >= 13 - 1e-9 for a, b in itertools.pairwise(sorted_places))
    assert min(placed) >= -1e-9
    assert max(placed) <= 200 + 1e-9


def test_names_that_have_room_stay_where_they_belong() -> None:
    assert spread([100, 20, 60], 200, 13) == [100, 20, 60]
    assert spread([100, 100], 200, 10) == [95, 105]  # around what both want


def test_a_long_line_keeps_its_ends_and_its_extremes() -> None:
    points = [(float(x), math.sin(x / 50) + (5 if x == 777 else 0)) for x in range(5000)]
    kept = thin(points, 100)
    assert len(kept) <= 102
    assert [kept[0], kept[-1]] == [points[0], points[-1]]
    assert max(y for _, y in kept) == max(y for _, y in points)
    assert min(y for _, y in kept) == min(y for _, y in points)
    assert kept == sorted(kept)
    assert thin(points[:100], 100) == points[:100]


def test_a_line_ends_at_its_name_and_a_mark_lies_on_it() -> None:
    svg = draw(panels([panel(STRAIGHT)], narrow=False, caveat=""), name="x", label="x")
    (name,) = (text for text in texts(svg) if text.words == "straight")
    ticks = {text.words: text.y for text in texts(svg) if text.words in ("1", "10", "100") and text.x < 62}
    assert name.y == pytest.approx(ticks["100"], abs=2)  # the line ends at 100
    (mark,) = ((x, y) for element, x, y in elements(svg) if element.tag.endswith("circle"))
    share = math.log10(50) / 2
    assert mark[1] == pytest.approx(ticks["1"] + share * (ticks["100"] - ticks["1"]), abs=5)


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("caveat", ["", "Not real."])
def test_panels_lie_in_their_picture_and_vega_lite_has_no_warning(
    narrow: bool, caveat: str, capfd: pytest.CaptureFixture[str]
) -> None:
    spec = panels([panel(STRAIGHT, title=f"Panel {at}") for at in range(5)], narrow=narrow, caveat=caveat)
    compiled(spec, capfd)
    svg = draw(spec, name="x", label="x")
    width, height = spec["usermeta"]["size"]
    found = texts(svg)
    assert all(0 <= text.x < width and 8 <= text.y <= height - 4 for text in found)
    titles = [text for text in found if text.words.startswith("Panel")]
    assert len({(round(title.x), round(title.y)) for title in titles}) == 5
    if caveat:
        assert min(found, key=lambda text: text.y).words == caveat


def test_the_cost_of_a_training_is_that_of_its_steps_beside_the_baselines() -> None:
    own, base = Cost(first_ns=1e9, step_ns=1e5), Cost(first_ns=2e6, step_ns=2e5)
    for n in (1, 10, 12_345):
        mine = sum([own.first_ns, *[own.step_ns] * (n - 1)])
        theirs = sum([base.first_ns, *[base.step_ns] * (n - 1)])
        assert relative(own, base, n) == pytest.approx(mine / theirs)


def test_costs_have_a_panel_for_each_framework_with_a_mode_to_compare() -> None:
    (chart,) = costs(tables(example()).steps.rows, {}, "")
    words = {text.words for text in texts(chart.svg)}
    assert {"PyTorch", "JAX", "jit", "scan"} <= words
    assert not {"NumPy", "ONNX Runtime", "op-by-op"} & words  # nothing to compare, inference, a baseline
    assert all(cost_of(row) is None for row in tables(example()).steps.rows if row.is_inference)


def works(count: int) -> list[Record]:
    modes = ("eager", *(f"m{at}" for at in range(20)))
    return [record(cell(size=f"s{at}", mode=mode)) for at in range(count) for mode in modes]


def test_of_many_works_costs_name_those_that_they_leave_to_the_tables() -> None:
    made = run(works(6), frameworks=(factories.framework(modes=("eager", *(f"m{at}" for at in range(20)))),))
    found = costs(tables(made).steps.rows, {}, "")
    assert [chart.name for chart in found] == ["costs", "costs-2", "costs-3"]
    assert [chart.title.partition(", ")[2] for chart in found] == [f"regression s{at} adam" for at in range(3)]
    expected = " Not drawn: regression s3 adam, regression s4 adam and regression s5 adam."
    assert [expected in chart.about for chart in found] == [False, False, True]


def test_losses_draw_the_gate_where_it_is() -> None:
    assert LOSS_GATE == LOSS_TOLERANCE


def deviating(mode: str, by: float, **of: str) -> Record:
    exact = (1.0, 0.5, 0.25, 0.125)
    accuracy = factories.accuracy(
        losses=tuple(loss + by for loss in exact), reference_losses=exact, max_loss_deviation=by
    )
    return record(cell(mode=mode, **of), accuracy=accuracy)


def test_losses_show_the_cell_of_a_framework_that_deviates_the_most() -> None:
    made = run([deviating("eager", 1e-7), deviating("compile", 3e-5), deviating("jit", 2e-6, framework="jax")])
    chart = losses(made, {"torch": 1, "jax": 2}, "")
    assert chart is not None
    words = [text.words for text in texts(chart.svg)]
    assert {"Torch 3.0e-05", "jax 2.0e-06"} <= set(words)
    assert "1.0e-07" not in " ".join(words)


def test_losses_of_one_work_say_which_and_name_the_others() -> None:
    chart = losses(run([record(cell(workload=name)) for name in ("mlp", "convnet")]), {}, "")
    assert chart is not None
    assert chart.title == "Losses, mlp adam"
    assert chart.about.endswith(" Not drawn: convnet adam.")


@pytest.mark.parametrize("values", [(math.nan, math.inf), (0.0, 0.0), (-1.0,), ()])
def test_losses_that_no_logarithm_has_are_not_drawn(values: tuple[float, ...]) -> None:
    accuracy = factories.accuracy(losses=values, reference_losses=values)
    assert losses(run([record(accuracy=accuracy)]), {}, "") is None
