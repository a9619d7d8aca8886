"""The tables in a terminal of any width: nothing is wider than it, and no number is cut."""

import functools
import io
import re
from collections.abc import Sequence

import pytest
from rich.console import Console

from harness.report.exporters.console import print_grid, print_table
from harness.report.exporters.fitting import Column, fitted, left_out_sentence
from harness.report.tables.all import TABLES, tables
from harness.report.view import View, view
from tests.harness.report.example import example

WIDTHS = (20, 40, 60, 80, 120)


@functools.cache
def views() -> Sequence[View]:
    computed = tables(example())
    return [shown for name in TABLES if (shown := view(computed.named(name), wide=False)).rows]


def printed(shown: View, width: int, *, whole: bool = False) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as captured:
        (print_table if whole else print_grid)(shown, console)
    return captured.get().splitlines()


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_the_terminal_and_nothing_is_cut(width: int) -> None:
    for shown in views():
        lines = printed(shown, width, whole=True)
        commands = [row.values[-1].text for row in shown.rows if shown.is_prose]  # whole, to be copied
        assert [line for line in lines if len(line) > width and line.strip() not in commands] == []
        assert [line for line in lines if "…" in line] == []


@pytest.mark.parametrize("width", WIDTHS)
def test_every_number_of_the_first_column_is_there_as_a_whole(width: int) -> None:
    for shown in views():
        lines = "\n".join(printed(shown, width))
        numbers = [row.values[0].text for row in shown.rows if not row.is_hole and row.values]
        numbers = [number for number in numbers if re.fullmatch(r"[\d,.]+", number)]
        assert [number for number in numbers if not re.search(rf"(^|\s){re.escape(number)}(\s|$)", lines)] == []


def test_what_has_no_room_is_named() -> None:
    (steps,) = (shown for shown in views() if shown.name == "steps")
    text = " ".join(" ".join(printed(steps, 40)).split())
    assert re.search(r"No room in 40 columns for: .*flags\. A wider terminal or --format csv has them\.", text)
    assert "No room" not in "\n".join(printed(steps, 120))


NAME = Column(title="mode", texts=("reduce-overhead",), folds=True)
STEP = Column(title="step\nµs", texts=("11,007",))
SPEED = Column(title="speed-up", texts=("1.02×",))


def test_text_is_folded_before_a_column_is_left_out() -> None:
    layout = fitted((NAME, STEP, SPEED), 28, first_out=(2,))
    assert layout is not None
    assert (layout.shown, layout.widths) == ((0, 1, 2), (9, 6, 8))
    layout = fitted((NAME, STEP, SPEED), 20, first_out=(2,))
    assert layout is not None
    assert (layout.shown, layout.left_out) == ((0, 1), (2,))
    assert left_out_sentence((NAME, STEP, SPEED), layout, 20).startswith("No room in 20 columns for: speed-up.")
    assert fitted((NAME, STEP, SPEED), 10, first_out=(2,)) is None


def test_a_column_less_keeps_a_name_whole() -> None:
    pipeline = Column(title="mode", texts=("torch", "  webdataset-2-workers"), folds=True)
    layout = fitted((pipeline, *(STEP,) * 4, SPEED), 58, first_out=range(5, 1, -1))
    assert layout is not None
    assert (layout.widths[0], layout.left_out) == (22, (5,))
    layout = fitted((pipeline, STEP, SPEED), 30, first_out=(2,))  # of two columns none is spared
    assert layout is not None
    assert (layout.widths[0], layout.left_out) == (11, ())


def test_without_room_for_two_columns_each_value_has_a_line() -> None:
    (steps,) = (shown for shown in views() if shown.name == "steps")
    lines = printed(steps, 12)
    assert any(line.strip() == "step µs" for line in lines)
    assert [line for line in lines if len(line) > 12] == []


def test_room_goes_to_whole_words_before_whole_lines() -> None:
    cell = Column(title="cell", texts=("numpy eager regression adam",), folds=True)
    verdict = Column(title="B is", texts=("undetermined: few blocks",), folds=True)
    layout = fitted((cell, STEP, verdict), 36, first_out=())
    assert layout is not None
    assert layout.widths == (12, 6, 13)
