"""The command line as a person uses it: real processes, exit codes, what is printed and what is left on disk."""

import contextlib
import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from harness import cli, session
from harness.host.load import Load
from harness.plan.request import Request, Setting
from tests.check_run import faults
from tests.fake_nvml import FakeGpu, FakeNvml

OF_NUMPY = 3 + 3 + 4 + 1 + 1  # replicates in three blocks: of the cell, its A/A control, drift probes, limits, memory
QUICK = ("--launcher", "here", "--profile", "quick", "--blocks", "1")
of_one_run = pytest.mark.xdist_group("results")  # in one worker, so that there is one such run


def samestep(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment())


def environment() -> dict[str, str]:
    return {**os.environ, "COLUMNS": "200"}


Here = Callable[..., tuple[int, str, str]]


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Here:
    """Runs samestep in this process, which takes no second to start; gives exit code, stdout and stderr."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["samestep", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with one finished run of NumPy."""
    folder = tmp_path_factory.mktemp("results")
    ended = samestep("run", *QUICK, "--framework", "numpy", "--seed", "7", "--results", folder)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1 cell × 1 block + 1 turn for limits + 1 turn for memory = 3 replicates, seed 7" in ended.stdout
    assert re.search(r"\[./3\] block 1 {2}numpy eager regression adam: ok, [\d.]+ µs a step", ended.stdout)
    assert "samestep's own share of the wall time" in ended.stdout
    assert re.search(r"Report: .*/report/index\.html", ended.stdout)
    return folder


def only_run(results: Path) -> Path:
    (run,) = results.iterdir()
    return run


@of_one_run
def test_a_run_leaves_what_the_contract_says(results: Path) -> None:
    problems = [fault for fault in faults(only_run(results)) if "is not in nan to nan" not in fault]
    assert problems == []  # one block gives no interval


@of_one_run
def test_the_report_is_made_anew_in_each_format(results: Path, here: Here) -> None:
    printed = {}
    for form in ("csv", "html", "md"):
        code, printed[form], _ = here("report", "--results", results, "--format", form)
        assert code == 0

    (row,) = csv.DictReader(io.StringIO(printed["csv"]))
    assert (row["framework"], row["status"], row["replicates"]) == ("numpy", "ok", "1")
    assert printed["html"].startswith("<!doctype html>")
    assert "| numpy" in printed["md"].lower()


@of_one_run
def test_a_finished_run_has_nothing_left_to_resume(results: Path) -> None:
    before = (only_run(results) / "records.jsonl").read_bytes()
    ended = samestep("run", "--resume", "latest", "--results", results)
    assert ended.returncode == 0
    assert "3 of 3 replicates are done" in ended.stdout
    assert (only_run(results) / "records.jsonl").read_bytes() == before


@of_one_run
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("run --framework numpie", r"There is no framework 'numpie'\. Did you mean numpy"),
        ("run --workload regresion", r"There is no workload 'regresion'\. Did you mean regression"),
        ("run --mode eagre", r"There is no mode 'eagre'\. Did you mean eager"),
        ("run --optimizer adan", r"There is no optimizer 'adan'\. Did you mean adam"),
        ("run --profile quik", r"There is no profile 'quik'\. Did you mean quick"),
        ("run --device cdua", r"There is no device 'cdua'\. Did you mean cuda"),
        ("run --launcher dokcer", r"There is no launcher 'dokcer'\. Did you mean docker"),
        ("run --framework numpy --mode jit", "The selection is empty"),
        ("run --framework ,", "names nothing"),
        ("run --cpus 4096", "CPU 4096 cannot be used here"),
        ("run --launcher here --python /nonexistent", "does not run as a Python interpreter"),
        ("run --launcher venv --python /usr/bin/python3", "--python belongs to --launcher here"),
        ("run --resume nothing", "There is no run 'nothing'"),
        ("run --resume latest --framework torch", "cannot be resumed: .* is planned but not selected now"),
        ("run --resume latest --no-alternate", "cannot be resumed with --no-alternate: it was started without."),
        ("run --resume latest --profile default", "cannot be resumed with profile default: it was started with quick"),
        ("report nothing", "There is no run 'nothing'"),
        ("report latest --format pdf", "There is no format 'pdf'"),
        ("report latest --format csv --table stepz", "There is no table 'stepz'. Did you mean steps"),
        ("compare latest nothing", "There is no run 'nothing'"),
        ("show nump", "There is no hello world 'nump'"),
        ("build numpie", "There is no framework 'numpie'"),
        ("plan --framework jaxx", "Did you mean jax"),
    ],
)
def test_bad_input_gets_one_sentence_and_exit_1(results: Path, here: Here, arguments: str, sentence: str) -> None:
    before = sorted(results.rglob("*"))
    with_results = ["--results", str(results)] if arguments.split()[0] in ("run", "report", "compare") else []

    code, _, printed = here(*arguments.split(), *with_results)

    assert code == 1
    assert re.search(sentence, printed)
    assert printed.startswith("samestep: ")
    assert len(printed.strip().splitlines()) == 1
    assert sorted(results.rglob("*")) == before


def test_a_misspelt_option_is_a_usage_error(here: Here) -> None:
    code, _, _ = here("run", "--framewrok", "numpy")
    assert code == 2


def test_a_results_folder_that_cannot_be_written_is_said_first(tmp_path: Path, here: Here) -> None:
    (tmp_path / "file").write_text("")
    code, _, printed = here("run", *QUICK, "--framework", "numpy", "--results", tmp_path / "file")
    assert code == 1
    assert "cannot be written" in printed


@of_one_run
@pytest.mark.parametrize("blocks", ["2", "30"])
def test_a_finished_run_takes_no_further_blocks_than_its_plan_has(results: Path, here: Here, blocks: str) -> None:
    code, _, printed = here("run", "--resume", "latest", "--results", results, "--blocks", blocks)
    assert code == 1
    assert f"cannot be resumed with blocks {blocks}: it was started with 1." in printed


def test_a_framework_that_does_not_import_fails_and_the_others_run(tmp_path: Path) -> None:
    ended = samestep("run", *QUICK, "--framework", "numpy,jax", "--mode", "eager,jit", "--results", tmp_path)

    assert ended.returncode == 3
    assert "jax jit regression adam: import: ModuleNotFoundError: No module named 'jax'" in ended.stderr
    with (only_run(tmp_path) / "report" / "csv" / "steps.csv").open(newline="") as file:
        rows = {row["framework"]: row for row in csv.DictReader(file)}
    assert rows["numpy"]["status"] == "ok"
    assert rows["jax"]["status"] == "failed"
    assert rows["jax"]["step_us"] == ""
    assert "No module named 'jax'" in rows["jax"]["reason"]


@contextlib.contextmanager
def going_on(results: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A run that has kept one more record and goes on."""
    kept = sum(path.read_text().count("\n") for path in results.glob("*/records.jsonl"))
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.cli", "run", *arguments, "--results", str(results)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
        # Who is started in the background by a shell without job control inherits an ignored Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not any(path.read_text().count("\n") > kept for path in results.glob("*/records.jsonl")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.2)  # into the next replicate
    yield process
    process.kill()
    process.communicate()


def good(lines: str) -> set[tuple[str, int]]:
    """Cell and block of the replicates that are no longer to be run."""
    records = [json.loads(line) for line in lines.splitlines()]
    return {(json.dumps(record["cell"]), record["block"]) for record in records if record["status"] == "ok"}


def test_a_run_that_was_stopped_twice_is_resumed_without_repeating(tmp_path: Path) -> None:
    started = ("--launcher", "here", "--profile", "quick", "--framework", "numpy")
    kept, done = "", 0
    for number, code, arguments in (
        (signal.SIGINT, 130, started),
        (signal.SIGKILL, -signal.SIGKILL, ("--resume", "latest")),
    ):
        with going_on(tmp_path, *arguments) as process:
            children = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(number)
            printed, _ = process.communicate(timeout=30)

        assert process.returncode == code
        assert (f"samestep run --resume {only_run(tmp_path)}\n" in printed) == (number != signal.SIGKILL)
        assert ("In block 1 of 3, " in printed.partition("Interrupted: ")[2]) == (number != signal.SIGKILL)
        assert (only_run(tmp_path) / "report" / "index.html").is_file()
        assert not done or f"{done} of {OF_NUMPY} replicates are done" in printed
        _, left = psutil.wait_procs(children, timeout=5)
        assert [one for one in left if one.status() != psutil.STATUS_ZOMBIE] == []  # nobody may have reaped the others
        now = (only_run(tmp_path) / "records.jsonl").read_text()
        assert now.startswith(kept)
        assert good(kept).isdisjoint(good(now.removeprefix(kept)))
        assert done < now.count("\n") < OF_NUMPY
        kept, done = now, now.count("\n")

    ended = samestep("run", "--resume", "latest", "--results", tmp_path)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{done} of {OF_NUMPY} replicates are done" in ended.stdout
    now = (only_run(tmp_path) / "records.jsonl").read_text()
    assert now.startswith(kept)
    assert good(kept).isdisjoint(good(now.removeprefix(kept)))
    assert list(faults(only_run(tmp_path))) == []


@of_one_run
def test_a_damaged_line_stops_report_and_resume_and_stays(results: Path, tmp_path: Path, here: Here) -> None:
    shutil.copytree(results, tmp_path, dirs_exist_ok=True)
    path = only_run(tmp_path) / "records.jsonl"
    first, *_ = path.read_text().splitlines(keepends=True)  # there is something left to run
    path.write_text('{"schema": 1, "cel\n' + first)
    before = path.read_bytes()

    for arguments in (["report", "latest"], ["run", "--resume", "latest"]):
        code, _, printed = here(*arguments, "--results", tmp_path)
        assert code == 1
        assert re.search(r"records\.jsonl, line 1: not JSON.*sed -i 1d", printed)
        assert path.read_bytes() == before


def test_list_and_plan_run_nothing(here: Here) -> None:
    code, listed, _ = here("list")
    assert code == 0
    for word in ("torch", "compile", "op-by-op", "regression", "sgd", "quick", "devices of numpy: cpu"):
        assert word in listed
    code, planned, _ = here(
        "plan",
        "--framework",
        "jax",
        "--mode",
        "jit,scan,hello",
        "--profile",
        "quick",
        "--seed",
        "3",
        "--results",
        "none",
    )
    assert code == 0
    turns = "1 turn for limits + 3 turns for A/A control + 4 turns for drift probes + 2 turns for memory"
    assert f"3 cells × 3 blocks (hello worlds in 1 of them) + {turns} = 17 replicates, seed 3" in planned
    assert len(planned.splitlines()) == 1 + 17


def test_a_plan_says_what_will_be_skipped_and_why(here: Here) -> None:
    code, planned, _ = here(
        "plan", "--device", "cuda", "--framework", "numpy,torch", "--mode", "eager", "--profile", "quick"
    )
    assert code == 0
    of_numpy = [line for line in planned.splitlines() if " numpy " in line]
    assert len(of_numpy) == 3 + 1, "the cell in three blocks and its memory, and no companion of others"
    assert all(line.endswith(", skipped: NumPy computes on the CPU only; this is a GPU") for line in of_numpy)
    assert not [line for line in planned.splitlines() if "torch" in line and "skipped" in line]


def test_the_quick_profile_has_one_block_for_ladders(here: Here) -> None:
    def planned(workload: str, *more: str) -> str:
        mode = [
            "--framework",
            "jax",
            "--mode",
            "jit",
            "--size",
            "tiny,base",
            "--profile",
            "quick",
            "--launcher",
            "venv",
        ]
        lines = here("plan", "--workload", workload, *mode, *more)[1].splitlines()
        return next(line for line in lines if " × " in line).partition(" + ")[0]

    assert planned("mlp,convnet") == "2 cells × 1 block"
    assert planned("mlp,regression") == "2 cells × 3 blocks"
    assert planned("mlp", "--profile", "default", "--optimizer", "adam") == "1 cell × 6 blocks"


@of_one_run
@pytest.mark.parametrize("resumed", [False, True])
def test_busy_processors_are_said_before_the_first_replicate(
    results: Path, tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch, resumed: bool
) -> None:
    observed: list[tuple[int, ...]] = []

    def busy(cpus: tuple[int, ...]) -> Load:
        observed.append(cpus)
        return Load(cpus=dict.fromkeys(cpus, 0.5), stolen=dict.fromkeys(cpus, 0.0), processes=(("node (22)", 0.5),))

    monkeypatch.setattr("harness.host.load.observed", busy)
    shutil.copytree(results, tmp_path, dirs_exist_ok=True)
    records = only_run(tmp_path) / "records.jsonl"
    records.write_text("".join(records.read_text().splitlines(keepends=True)[:-1]))
    again = ("--resume", "latest") if resumed else (*QUICK, "--framework", "numpy", "--measure", "memory")
    code, printed, _ = here("run", *again, "--results", tmp_path)
    assert code == 0
    assert re.search(r"Busy with other work: CPU .* node \(22\) uses 50 % [^\n]*\n\[", printed)
    assert len(observed) == 1


@pytest.mark.parametrize("command", ["doctor", "list", "plan --framework torch"])
def test_runs_where_the_libraries_of_engine_and_gpu_are_missing(command: str) -> None:
    code = (
        "import sys; sys.modules.update(docker=None, pynvml=None);"
        f"sys.argv = ['samestep', *{command.split()!r}]; from harness.cli import main; main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment())
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout


def test_a_gpu_in_use_is_refused_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    used = FakeGpu(programs=lambda now: {999_999_999: 5})
    monkeypatch.setattr("harness.host.nvidia.library", lambda: FakeNvml(used))
    options = ["--device", "cuda", "--framework", "torch", "--mode", "eager", "--launcher", "venv"]
    monkeypatch.setattr(sys, "argv", ["samestep", "run", *options, "--results", str(tmp_path / "results")])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert re.search(r"GPU GPU-1111 is used by process 999999999.*--allow-shared-gpu", capsys.readouterr().err)
    assert not (tmp_path / "results").exists()


def test_an_interpreter_may_be_named_from_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "python").symlink_to(sys.executable)
    (tmp_path / "results").mkdir()
    pythons: list[Path | None] = []

    def run(requested: Request, setting: Setting) -> int:
        pythons.append(setting.python)
        return 0

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session, "run", run)
    monkeypatch.setattr(sys, "argv", ["samestep", "run", "--launcher", "here", "--python", "python"])
    with pytest.raises(SystemExit):
        cli.main()
    assert pythons == [tmp_path / "python"]  # the link itself: behind it an environment's packages would be missing


@pytest.mark.parametrize("typed", ["inf", "nan", "1e400", "0", "-3", "1e9"])
def test_a_timeout_that_is_no_time_to_wait_is_refused(here: Here, tmp_path: Path, typed: str) -> None:
    code, _, said = here("run", "--framework", "numpy", "--timeout", typed, "--results", str(tmp_path / "results"))
    assert code == 1
    assert re.fullmatch(r"samestep: --timeout \S+: give seconds, from 0.1 to 604800 \(a week\)\.\n", said)
    assert not (tmp_path / "results").exists()
