"""The programs that the page shows beside the timeline find the line, each in the interpreter of its time.

They are copied beside their data: under its own name `chainer.py` would be imported as Chainer.
"""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from bench.catalogue import FrameworkOffer, catalogue
from bench.guests import interpreter
from bench.guests.node import PROGRAM as NODE
from bench.workloads import regression
from tests.frameworks.interpreters import python_of, skip_without_programs
from tests.frameworks.sampling import sampled

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(600)]

OFFERS: Final = {offer.name: offer for offer in catalogue().frameworks if offer.program}
# Python 2.7, 3.7 and 3.8, and node; the lightest of each.
ONE_EACH: Final = [name for name in ("tensorflow0", "tensorflow1", "chainer", "tfjs") if name in OFFERS]
DATA: Final = """import numpy as np

x, y = (np.fromfile(name + ".f32", "float32").reshape(200, 1) for name in ("x", "y"))
"""
# What the guest puts in place before it imports the framework: for Lasagne a module that the Theano of its environment
# lacks, for CNTK the MPI that it is linked to.
STAND_INS: Final = {
    "lasagne": """import sys
import types

sys.modules["theano.tensor.signal.downsample"] = downsample = types.ModuleType("downsample")
downsample.max_pool_2d = None
import theano.tensor.signal

theano.tensor.signal.downsample = downsample
""",
    "cntk": f"""from importlib.machinery import SourceFileLoader

SourceFileLoader("stand_in", {str(interpreter.PROGRAMS / "_mpi.py")!r}).load_module().stand_in()
""",
}


def in_python(offer: FrameworkOffer, environment: Path, scratch: Path) -> tuple[list[str], dict[str, str]]:
    (scratch / "program.py").write_text(offer.program, encoding="utf-8")
    (scratch / "data.py").write_text(DATA, encoding="utf-8")
    batch = regression.make("base", "adam").batch
    for name, array in (("x", batch.x), ("y", batch.y)):
        (scratch / f"{name}.f32").write_bytes(array.astype("<f4").tobytes())
    command, variables = interpreter.python(environment)
    if offer.name in STAND_INS:
        (scratch / "sitecustomize.py").write_text(STAND_INS[offer.name], encoding="utf-8")
        variables["PYTHONPATH"] = str(scratch)
    return [*command, "program.py"], variables


def in_node(offer: FrameworkOffer, environment: Path, scratch: Path) -> tuple[list[str], dict[str, str]]:
    (scratch / "program.js").write_text(offer.program, encoding="utf-8")
    batch = regression.make("base", "adam").batch
    data = {"x": batch.x.reshape(-1).tolist(), "y": batch.y.reshape(-1).tolist()}
    (scratch / "data.js").write_text(f"module.exports = {json.dumps(data)}\n", encoding="utf-8")
    return [NODE, "program.js"], {**os.environ, "NODE_PATH": str(environment / "node_modules")}


def filled(environment: Mapping[str, str], scratch: Path) -> dict[str, str]:
    return {
        name: value.replace("{threads}", "1").replace("{scratch}", str(scratch)) for name, value in environment.items()
    }


@pytest.mark.parametrize("framework", sampled(OFFERS, *ONE_EACH))
def test_a_program_beside_the_timeline_finds_the_line(framework: str, tmp_path: Path) -> None:
    offer = OFFERS[framework]
    skip_without_programs(framework)
    environment = python_of(framework).parent.parent
    prepare = in_node if offer.program.startswith("//") else in_python
    command, variables = prepare(offer, environment, tmp_path)
    stated = {name: value for name, value, *_ in offer.environment}
    own = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), **filled(stated, tmp_path)}
    done = subprocess.run(
        command, cwd=tmp_path, env={**variables, **own}, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stderr[-2000:]
    line = re.fullmatch(r"weight=(-?\d+\.\d{4}) bias=(-?\d+\.\d{4})", done.stdout.splitlines()[-1])
    assert line, done.stdout[-500:]
    assert float(line[1]) == pytest.approx(3, abs=0.05)
    assert float(line[2]) == pytest.approx(2, abs=0.05)
