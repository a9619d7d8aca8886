"""The runner of the loops, which is given toy programs: what it counts, and that it returns what they do."""

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import loops

RUN = Path(loops.__file__).with_name("run.py")
TOY = """
import numpy as np


def every(steps, x, w):
    state = {{}}

    def multiplied(product):
        return product * w  # the body

    def run():
        nonlocal state
        product, products = x, []
        {kept}
        for number in range(steps):
            product = {product}
            products.append(product)
        return np.array(products, np.float32)

    return run


def last(steps, x, w):
    return lambda: np.float32(x * w**steps)
"""
FORMS = {
    "each step": {"kept": "", "product": "multiplied(product)"},
    # as a graph: the body is called once, when it is first run
    "trace": {"kept": "state = state or {'w': multiplied(1)}", "product": "product * state['w']"},
    "never": {"kept": "", "product": "product * w"},
}


def run(tmp_path: Path, source: str, what: str, *found: str) -> Any:
    program, output = tmp_path / "toy_eager.py", tmp_path / "output.json"
    program.write_text(source, encoding="utf-8")
    command = [sys.executable, str(RUN), str(program), what, str(output), *found]
    subprocess.run(command, check=True, timeout=60)
    return json.loads(output.read_text(encoding="utf-8"))["loops"]


@pytest.mark.parametrize(("form", "first", "later"), [("each step", 5, 5), ("trace", 1, 0), ("never", 0, 0)])
def test_stops_are_counted_apart_in_the_first_call_and_in_a_later_one(
    tmp_path: Path, form: str, first: int, later: int
) -> None:
    (told,) = run(tmp_path, TOY.format(**FORMS[form]), "stop", "5:3.0:2.0")
    assert (told["first"], told["later"]) == (first, later)
    assert told["values"] == [[6, 12, 24, 48, 96]] * 2


def test_a_body_that_is_run_while_it_is_built_counts_for_the_first_call(tmp_path: Path) -> None:
    source = TOY.format(**FORMS["never"]).replace("    def run():", "    multiplied(x)\n\n    def run():", 1)
    (told,) = run(tmp_path, source, "stop", "5:3.0:2.0")
    assert (told["first"], told["later"]) == (1, 0)


def test_both_functions_are_timed_in_turns_as_often(tmp_path: Path) -> None:
    told = run(tmp_path, TOY.format(**FORMS["each step"]), "time", "5:3.0:2.0", "50:3.0:1.01")
    assert [each["steps"] for each in told] == [5, 50]
    for each in told:
        rounds = [each[name]["round_ns"] for name in ("every", "last")]
        assert len(rounds[0]) == len(rounds[1]) >= 20
        assert all(ns > 0 for ns in itertools.chain(*rounds))
    assert told[0]["every"]["values"] == [[6, 12, 24, 48, 96]] * 2
    assert told[0]["last"]["values"] == [[96]] * 2
