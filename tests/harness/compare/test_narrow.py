"""A comparison in a narrow terminal: ratio and verdict stay, and no number is cut; an empty run is said to be one."""

import io

import pytest
from rich.console import Console

from harness.compare import render
from harness.compare.compare import compare
from harness.errors import SelectionError
from tests import factories
from tests.harness.compare.test_compare import made


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_no_number_is_cut(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    text = io.StringIO()
    render.show(compare(made([11007.0] * 6), made([12345.0] * 6)), Console(file=text, width=width))
    printed = text.getvalue() + capsys.readouterr().out
    assert "1.122" in printed
    assert "…" not in printed
    assert [line for line in text.getvalue().splitlines() if len(line) > width] == []


def test_a_run_without_records_is_one_correct_sentence() -> None:
    with pytest.raises(SelectionError, match=r"empty has no timed cell yet: nothing of it can be compared\."):
        compare(factories.run([], id="empty"), made([1.0]))
