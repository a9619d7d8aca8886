import io

from rich.console import Console

from bench.catalogue import FrameworkOffer
from harness.hello import rows, side_by_side
from tests.factories import framework


def hello(name: str, width: int = 20) -> FrameworkOffer:
    return framework(name, title=name.title(), hello=f"import {name}\n{'x' * (width - 1)}\n", hello_lines=2)


def printed(*frameworks: FrameworkOffer, width: int, terminal: bool = False) -> str:
    text = io.StringIO()
    side_by_side(frameworks, Console(file=text, width=width, force_terminal=terminal))
    return text.getvalue()


def test_stand_side_by_side_where_they_fit() -> None:
    lines = printed(hello("torch"), hello("jax"), width=80).splitlines()
    assert any("import torch" in line and "import jax" in line for line in lines)
    assert "Torch: 2 logical lines" in lines[0]
    assert "Jax: 2 logical lines" in lines[0]


def test_stand_one_below_the_other_in_a_narrow_window() -> None:
    lines = [line.rstrip() for line in printed(hello("torch"), hello("jax"), width=40).splitlines()]
    assert lines.index("import torch") < lines.index("Jax: 2 logical lines") < lines.index("import jax")


def test_as_many_in_a_row_as_fit() -> None:
    named = [hello("torch"), hello("jax"), hello("keras")]  # headings of 22, 20 and 22 characters, 3 apart
    assert [len(row) for row in rows(named, 70)] == [3]
    assert [len(row) for row in rows(named, 69)] == [2, 1]
    assert [len(row) for row in rows(named, 10)] == [1, 1, 1]


def test_a_line_wider_than_the_window_is_printed_whole() -> None:
    assert "x" * 119 in printed(hello("torch", width=120), hello("jax"), width=80)


def test_the_program_can_be_copied_from_a_pipe() -> None:
    program = "import torch\n\nfor epoch in range(200):\n    loss = step()  # [bold]\n"
    text = printed(framework("torch", hello=program, hello_lines=3), width=80)
    assert program in text
    assert "\x1b" not in text


def test_is_coloured_in_a_terminal() -> None:
    assert "\x1b[" in printed(hello("torch"), width=80, terminal=True)


def test_nothing_to_show_is_said() -> None:
    assert printed(width=80) == "No framework with a hello world.\n"
