"""Guests of the past, with a small program in NumPy: what is asked, every way to fail, and the formula that is told."""

import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from bench.frameworks import _eras
from bench.frameworks._eras import Era
from bench.guests import interpreter
from bench.guests.host import GuestError
from bench.interface import Framework, Skip, Step
from bench.protocol import formula
from bench.protocol.gate import Gate
from bench.protocol.required import InvalidResultError
from bench.reference.precision import PRECISIONS
from bench.reference.workload import EPSILON_HAT, EPSILON_HAT_FROM_2, FORMULAS, KINGMA_BA
from bench.workloads import regression

LINE = str(Path(__file__).with_name("line"))
Make = Callable[..., Era]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Make a framework whose guest runs in an environment like one of ours, with a planted fault."""
    site = Path(np.__file__).parents[1]
    packages = tmp_path / "guest" / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    packages.parent.mkdir(parents=True)
    packages.symlink_to(site)
    (tmp_path / "guest" / "bin").mkdir()
    (tmp_path / "guest" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    whole = interpreter.start
    monkeypatch.setattr(interpreter, "start", lambda program, name: whole(program, name, tmp_path))
    made: list[Era] = []

    def one(fault: str = "") -> Era:
        monkeypatch.setenv("SAMESTEP_PLANTED", fault)
        made.append(Era(program=LINE, title="Line"))
        return made[-1]

    yield one
    for era in made:
        for guest in era._guests:
            guest.end()


def module(era: Era, adam: str = EPSILON_HAT) -> Framework:
    shared = {"wait": _eras.wait, "to_numpy": _eras.to_numpy, "empty_cache": _eras.empty_cache, "ADAM": adam}
    own = {"start": era.start, "build": era.build, "memory": era.memory, "versions": era.versions}
    return cast("Framework", SimpleNamespace(**shared, **own))


def gate(era: Era, optimizer: str = "adam") -> Gate:
    workload = regression.make("base", optimizer)
    step = era.build(workload, "line", "float32")
    assert isinstance(step, Step)
    return Gate(
        framework=module(era),
        workload=workload,
        formula=workload.formula(EPSILON_HAT),
        step=step,
        precision=PRECISIONS["float32"],
        initial=step.parameters(),
    )


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_guest_trains_as_float64_does_and_again_after_a_reset(
    make: Make, optimizer: str, capfd: pytest.CaptureFixture[str]
) -> None:
    era = make()
    checked = gate(era, optimizer)
    first, whole, again = checked.start("first"), checked.whole("whole"), checked.start("again")
    assert whole.max_loss_deviation is not None
    assert whole.max_loss_deviation < 5e-5  # 1 - 0.999 is formed in float32
    assert len(whole.losses) == 200
    assert first.fingerprint == again.fingerprint
    assert checked.step.proof().evidence == "NumPy"
    assert era.versions()[0] == "line==1"
    assert era.versions()[1] == f"python=={sys.version.split()[0]}"
    assert era.memory().why
    checked.step.release()
    assert "welcome to the library" in capfd.readouterr().err, "what it prints is in the log, and not on its pipe"


@pytest.mark.parametrize(("fault", "optimizer"), [("gradient", "adam"), ("gradient", "sgd"), ("scaled", "sgd")])
def test_a_wrong_gradient_is_noticed(make: Make, fault: str, optimizer: str) -> None:
    with pytest.raises(InvalidResultError, match="the losses differ from the float64 reference"):
        gate(make(fault), optimizer).whole("before timing")


def test_adam_hides_a_factor_which_is_why_sgd_is_run_as_well(make: Make) -> None:
    assert gate(make("scaled"), "adam").whole("before timing").losses


def test_a_step_that_is_counted_from_2_is_another_formula(make: Make) -> None:
    era = make("counted from 2")
    with pytest.raises(InvalidResultError, match="the losses differ"):
        gate(era).whole("before timing")
    found = formula.fits(module(era), regression.make("base", "adam"), "line", "float32")
    formula.require(found, EPSILON_HAT_FROM_2, 1e-4)
    with pytest.raises(
        InvalidResultError, match=r"at an epsilon of 0\.1 follows epsilon-hat, step counted from 2, not"
    ):
        formula.require(found, EPSILON_HAT, 1e-4)


def test_a_second_run_tells_the_formula(make: Make) -> None:
    framework = module(make())
    found = formula.fits(framework, regression.make("base", "adam"), "line", "float32")
    assert [fit.formula for fit in found] == list(FORMULAS)
    apart = {fit.formula: fit.deviation for fit in found}
    assert apart[EPSILON_HAT] < 5e-5
    assert apart[KINGMA_BA] > 0.5
    assert apart[EPSILON_HAT_FROM_2] > 0.04
    formula.require(found, EPSILON_HAT, 1e-4)
    with pytest.raises(InvalidResultError, match="follows epsilon-hat, not kingma-ba: 7"):
        formula.require(found, KINGMA_BA, 1e-4)
    with pytest.raises(InvalidResultError, match="follows no formula, not epsilon-hat"):
        formula.require(found, EPSILON_HAT, 1e-9)
    assert formula.fits(framework, regression.make("base", "sgd"), "line", "float32") == ()
    formula.require((), "sgd", 1e-4)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("dies", "Line, told to run, ended with exit code 3 (its last words: no more memory in 2015)"),
        ("raises", "Line, told to run, says: ValueError: shapes do not fit"),
        ("doubles", "Line has bias in float64, not in float32"),
        ("no library", "Line, told to start, says: ImportError: libmpi.so.12: cannot open shared object file"),
    ],
)
def test_a_guest_that_fails_is_told(make: Make, fault: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GuestError) as raised:
        gate(make(fault)).start("first")
    assert str(raised.value) == said


def test_what_a_guest_does_not_have_is_skipped(make: Make) -> None:
    era = make()
    assert isinstance(era.build(regression.make("base", "adam"), "line", "bfloat16"), Skip)
    with pytest.raises(RuntimeError, match="on the CPU only, not on cuda"):
        era.start("cuda", 1)
    assert era._guests == [], "nothing is started for it"


def test_a_guest_without_an_interpreter_is_told(tmp_path: Path) -> None:
    with pytest.raises(GuestError, match="Theano has no interpreter at guest/bin/python in its environment"):
        interpreter.start("theano", "Theano", tmp_path)


def test_a_guest_gets_no_packages_of_the_process_that_starts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(interpreter, "Guest", lambda *given: told.append(given))
    monkeypatch.setenv("PYTHONPATH", "/code")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "guest" / "bin").mkdir(parents=True)
    (tmp_path / "guest" / "bin" / "python").touch()
    (tmp_path / "guest" / "lib" / "python2.7" / "site-packages").mkdir(parents=True)
    interpreter.start("tensorflow", "TensorFlow 0.12", tmp_path)
    (tmp_path / "guest" / "pyvenv.cfg").touch()
    interpreter.start("tensorflow", "TensorFlow 1.15", tmp_path)
    (old, _, bare), (command, _, variables) = told
    assert old[1:4] == ("-u", "-S", "-s")
    assert bare["PYTHONPATH"] == str(tmp_path / "guest" / "lib" / "python2.7" / "site-packages")
    assert command[1:] == ("-u", str(interpreter.PROGRAMS / "serve.py"), "tensorflow")
    assert "PYTHONPATH" not in variables
    assert variables["OMP_NUM_THREADS"] == "1"


def test_every_clock_that_a_guest_may_have_is_the_hosts() -> None:
    """Python 2.7 has none of its own, 3.3 to 3.6 one in seconds."""
    spec = importlib.util.spec_from_file_location("serve_of_eras", interpreter.PROGRAMS / "serve.py")
    assert spec
    assert spec.loader
    serve, path = importlib.util.module_from_spec(spec), list(sys.path)
    spec.loader.exec_module(serve)
    sys.path[:] = path
    for clock in (serve._of_c(), lambda: int(time.clock_gettime(time.CLOCK_MONOTONIC) * 1e9), serve.now_ns):
        before = time.perf_counter_ns()
        now = clock()
        assert before - 1000 <= now <= time.perf_counter_ns() + 1000
    used = serve.cpu_ns()
    assert 0 < used <= time.process_time_ns() + 50_000_000


def test_every_program_names_its_framework_file() -> None:
    """A program that no framework's file starts would be left over."""
    folder = Path(_eras.__file__).parent
    used = {
        line.split('"')[1]
        for path in folder.glob("[a-z]*.py")
        for line in path.read_text().splitlines()
        if "Era(" in line and "begin=" not in line
    }
    assert used == {path.stem for path in interpreter.PROGRAMS.glob("[a-z]*.py")} - {"serve"}
