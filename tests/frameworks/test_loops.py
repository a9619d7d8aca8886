"""Where a debugger stops in the loop of each framework and form, in its real environment."""

from pathlib import Path
from typing import Final

import pytest

from bench.catalogue import catalogue
from harness.environments.checkout import ROOT
from harness.environments.venvs import Environments
from harness.loops.programs import Place, Program, interpreter, programs, run
from harness.loops.truth import LOOKED_INTO, Stops, fault
from tests.frameworks.interpreters import python_of, skip_without_programs
from tests.frameworks.sampling import sampled

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(600)]

OFFERS: Final = {offer.name: offer for offer in catalogue().frameworks}
PROGRAMS: Final = {program.path.stem: program for program in programs()}
WORDS: Final = {"eager": "each step", "scan": "once, in the trace", "session": "once, in the trace"}
OF: Final = {
    "mxnet_hybridized": "once, in the trace",
    "tensorflow_function": "never",  # AutoGraph runs a copy of the source
    "torch_compile": "never",  # the compiler reads bytecode and runs none of it
    "torch_script": "never",  # the compiler reads the source
}


@pytest.mark.parametrize("name", sampled(PROGRAMS, "jax_eager", "jax_scan", "tensorflow_function", "torch_script"))
def test_a_debugger_stops_where_the_table_says(name: str, tmp_path: Path) -> None:
    program: Program = PROGRAMS[name]
    offer = OFFERS[program.framework]
    skip_without_programs(offer.name)
    python_of(offer.name)  # made, or skipped
    python = interpreter(offer, Environments(ROOT, "cpu"))
    (told,) = run(program, "stop", LOOKED_INTO, Place(python=python, environment=offer.environment, scratch=tmp_path))[
        "loops"
    ]
    assert [fault(values, LOOKED_INTO[0]) for values in told["values"]] == ["", ""]
    stops = Stops(steps=told["steps"], first=told["first"], later=told["later"])
    assert stops.words == (OF.get(name) or WORDS[program.form])
