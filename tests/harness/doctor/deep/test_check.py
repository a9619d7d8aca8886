"""`samestep doctor --deep` as a person types it: what it prints, the file that it writes, and its exit code."""

import json
import re
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pynvml
import pytest

from bench.records.codec import to_json
from bench.records.observation import Observation
from bench.turns.turn import Outcome, Turn
from harness import cli
from harness.doctor.deep import attachment, check
from harness.launchers import choose
from harness.plan.profiles import PROFILES
from harness.plan.selection import Selection
from tests import factories
from tests.fake_nvml import FakeGpu, FakeNvml
from tests.fakes import FakeLauncher
from tests.harness.doctor.deep.lockable import LockableNvml

Doctor = Callable[..., tuple[int, str, str]]


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Doctor:
    """Runs `samestep doctor` in this process; gives exit code, stdout and stderr."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*options: str) -> tuple[int, str, str]:
        words = ["samestep", "doctor", *options]
        monkeypatch.setattr(sys, "argv", [*words, "--results", str(tmp_path / "results")])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture
def quick_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plain doctor's look at the host, which takes two seconds and has tests of its own, is left out."""
    monkeypatch.setattr("harness.doctor.survey.look", lambda results: None)
    monkeypatch.setattr(check, "examine", lambda host: ())


def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = FakeNvml(init_error=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)
    monkeypatch.setattr("harness.host.nvidia.library", lambda: nvml)


def written(tmp_path: Path) -> dict[str, Any]:
    (path,) = (tmp_path / "results").iterdir()
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


def test_what_works_and_what_is_broken_is_really_tried(doctor: Doctor, tmp_path: Path) -> None:
    """NumPy is beside the harness, PyTorch is not: the framework that is broken."""
    code, out, err = doctor("--deep", "--launcher", "here", "--framework", "numpy,torch", "--mode", "eager,compile")
    assert code == 3, out + err
    assert re.search(r"^numpy eager +works +\d", out, re.MULTILINE)
    assert re.search(r"^torch eager +fails +\d", out, re.MULTILINE)
    assert re.search(
        r"^torch eager fails: import: .*No module named 'torch'.* Remedy: install torch", out, re.MULTILINE
    )
    assert re.search(
        r"^not tried, see torch eager: torch compile: .*doctor --deep .*--mode compile$", out, re.MULTILINE
    )
    assert "Cells: works 1, fails 1, not tried 1." in out
    assert str(next((tmp_path / "results").iterdir())) in out
    assert max(map(len, out.partition("Remedy")[0].splitlines()[:2])) < 120

    data = written(tmp_path)
    assert [(one["cell"].split("/")[0], one["result"]) for one in data["cells"]] == [
        ("numpy", "works"),
        ("torch", "fails"),
    ]
    assert [record["status"] for record in data["records"]] == ["ok", "failed"]
    assert any("No module named" in line for line in data["records"][1]["failure"]["tail"])
    assert data["records"][0]["environment"]["versions"]
    assert data["checks"]


def test_nothing_is_left_behind(
    doctor: Doctor, quick_host: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    code, _, _ = doctor("--deep", "--launcher", "here", "--framework", "numpy")
    assert code == 0
    assert list(temporary.iterdir()) == []
    assert [path.suffix for path in (tmp_path / "results").iterdir()] == [".json"]


@pytest.mark.parametrize("options", [("--deep",), ()])
def test_without_a_gpu_one_sentence_says_what_is_missing(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: tuple[str, ...]
) -> None:
    without_gpu(monkeypatch)
    code, _, err = doctor("--device", "cuda", *options)
    assert code == 1
    (sentence,) = err.splitlines()
    assert re.match(r"samestep: .*NVML Shared Library Not Found.*driver.*\.$", sentence)
    assert not (tmp_path / "results").exists()


def test_the_plain_doctor_of_one_device_has_only_its_ways(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    without_gpu(monkeypatch)
    code, out, err = doctor("--device", "cpu")
    assert (code, err) == (0, "")
    assert "--device cpu: ready" in out
    assert "--device cuda:" not in out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--framework", "torch"), "--framework: only with --deep."),
        (("--lock-clocks",), "--lock-clocks: only with --deep."),
        (("--deep", "--framework", "torsh"), "There is no framework 'torsh'. Did you mean torch or"),
        (("--deep", "--minutes", "nan"), "--minutes nan: give minutes, from 0.1 to 1440 (a day)."),
        (("--deep", "--minutes", "0"), "--minutes 0: give minutes, from 0.1 to 1440 (a day)."),
        (("--deep", "--launcher", "ssh"), "There is no launcher 'ssh'."),
        (("--deep", "--device", "tpu"), "There is no device 'tpu'."),
        (("--device", "tpu"), "There is no device 'tpu'."),
    ],
)
def test_what_cannot_be_asked_is_said_in_one_sentence(doctor: Doctor, options: tuple[str, ...], sentence: str) -> None:
    code, _, err = doctor(*options)
    assert (code, err.startswith(f"samestep: {sentence}"), err.count("\n")) == (1, True, 1)


def test_where_nothing_is_set_up_it_says_how(
    doctor: Doctor, quick_host: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(check, "not_set_up", lambda launcher, device, used: dict.fromkeys(used, "not yet: make it"))
    code, _, err = doctor("--deep", "--launcher", "venv")
    assert code == 1
    assert re.match(r"samestep: No framework is set up here.*: not yet: make it\.\n$", err)
    assert not (tmp_path / "results").exists()


def test_of_frameworks_without_an_environment_the_command_that_makes_it_is_said(tmp_path: Path) -> None:
    locks = tmp_path / "images" / "locks"
    locks.mkdir(parents=True)
    (locks / "torch.cpu-py311.txt").write_text("torch==1\n")
    absent = check.not_set_up("venv", "cpu", ("torch", "jax"), tmp_path)
    assert absent["torch"].startswith("it has no environment yet: ")
    assert "--framework torch makes it" in absent["torch"]
    assert "jax has no lock file" in absent["jax"]
    assert check.not_set_up("docker", "cpu", ("torch",), tmp_path) == {}


@pytest.mark.parametrize(
    ("absent", "framework", "launcher"),
    [((), (), "venv"), (("torch",), (), "docker"), (("torch",), ("torch",), "venv")],
)
def test_images_are_tried_where_no_environment_is_made(
    monkeypatch: pytest.MonkeyPatch, absent: tuple[str, ...], framework: tuple[str, ...], launcher: str
) -> None:
    """An engine answers; it has the images of some frameworks, so that a run of all would take environments."""
    monkeypatch.setattr(choose, "resolve", lambda name, used, device, say: "venv" if used else "docker")
    monkeypatch.setattr(check, "not_set_up", lambda launcher, device, used: dict.fromkeys(absent, "no"))
    asked = check.Asked(names=Selection(framework=framework))
    assert check._launcher(asked, ("torch",)) == launcher


class Gpu:
    """A scripted GPU host whose replicates are canned records: every cell works but for one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **script: Any) -> None:
        self.nvml = LockableNvml(FakeGpu(uuid="GPU-12345678-1234-1234-1234-123456789abc", **script))
        self.launcher = FakeLauncher(self.answer)
        self.interrupt_at = ""
        monkeypatch.setattr("harness.host.nvidia.library", lambda: self.nvml)
        monkeypatch.setattr(choose, "launcher", lambda name, wanted: self.launcher)
        monkeypatch.setattr(check, "not_set_up", lambda launcher, device, used: {"flax": "not yet: make it"})
        monkeypatch.setattr("harness.doctor.deep.readings.SETTLE_S", 0.0)

    def answer(self, turn: Turn) -> Outcome:
        if turn.cell.mode == self.interrupt_at:
            raise KeyboardInterrupt
        if turn.cell.mode == "fused":
            failure = factories.failure(phase="first_step", tail=("CUDA error: no kernel image is available",))
            return self._wrote(
                factories.record(turn.cell, status="failed", reason="first_step: x", failure=failure), turn
            )
        tf32 = turn.cell.precision == "tf32"
        proof = factories.proof(mode=turn.cell.mode, device="cuda:0", tf32=tf32, allocator=turn.cell.allocator)
        return self._wrote(factories.record(turn.cell, proof=proof, environment=self.environment()), turn)

    def environment(self) -> Any:
        variables = ("HOME=/home/me", "NVIDIA_VISIBLE_DEVICES=all", "SECRET_TOKEN=abcdefgh")
        return factories.environment(variables=variables, named=("SECRET_TOKEN=abcdefgh",))

    def _wrote(self, record: Any, turn: Turn) -> Outcome:
        record = replace(record, block=turn.block, position=turn.position)
        return Outcome(started_unix_ns=1, wall_ns=4 * 10**9, exit_code=0, record=to_json(record))


CUDA = ("--deep", "--device", "cuda", "--launcher", "venv")


def test_on_a_gpu_the_tables_answer_and_the_file_has_it_all(
    doctor: Doctor, quick_host: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gpu = Gpu(monkeypatch)
    code, out, err = doctor(*CUDA)
    assert (code, err) == (3, "")
    assert re.search(r"^torch eager +works +4\.0 +cuda:0 +off ", out, re.MULTILINE)
    assert re.search(r"^torch eager tf32 +works +4\.0 +cuda:0 +on ", out, re.MULTILINE)
    assert re.search(r"^torch fused fails: .*Remedy: the locked torch has no code for this GPU", out, re.MULTILINE)
    assert "not set up: flax: not yet: make it" in out
    assert re.search(r"^reserved memory +ok +600 MiB, which version 2's used leaves", out, re.MULTILINE)
    assert re.search(r"^nvmlDeviceGetPowerUsage +0\.\d+ +\d\.\d+ +ok", out, re.MULTILINE)
    assert not gpu.nvml.locks
    assert gpu.nvml.opened == 0
    tables = [line for line in out.splitlines() if re.match(r"\S+( \S+)* {2,}\S", line)]  # columns are two blanks apart
    assert len(tables) > 60
    assert max(map(len, tables)) <= 80

    data = written(tmp_path)
    text = json.dumps(data)
    assert data["readings"]["rest"]["used_1_bytes"] == 604 << 20
    assert {"NVML fields", "energy counter", "clocks under lock"} <= {answer["name"] for answer in data["gpu"]}
    assert "flax" in data["not set up"]
    assert "GPU-UUID" in text
    assert not re.search(r"12345678-1234|/home/me|abcdefgh|SECRET_TOKEN", text)
    assert "NVIDIA_VISIBLE_DEVICES=all" in text


def test_clocks_are_locked_only_where_that_is_asked_for_and_unlocked_again(
    doctor: Doctor, quick_host: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = Gpu(monkeypatch)
    code, out, _ = doctor(*CUDA, "--framework", "torch", "--mode", "eager", "--lock-clocks")
    assert code == 0, out
    assert gpu.nvml.locks == [1400, 0]
    assert re.search(r"^clocks under lock +(ok|warn) +1400 MHz asked for", out, re.MULTILINE)


def test_ctrl_c_prints_and_keeps_what_was_found_so_far(
    doctor: Doctor, quick_host: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gpu = Gpu(monkeypatch)
    gpu.interrupt_at = "foreach"
    code, out, _ = doctor(*CUDA, "--framework", "torch", "--lock-clocks")
    assert code == 130
    assert re.search(r"^torch eager +works", out, re.MULTILINE)
    assert re.search(r"^not tried, interrupted: torch .*foreach.*: .*doctor --deep", out, re.MULTILINE)
    assert not gpu.nvml.locks
    assert written(tmp_path)["cells"]
    assert gpu.launcher.closed


def test_a_file_that_cannot_be_written_is_said_and_loses_nothing_that_is_printed(
    doctor: Doctor, quick_host: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Gpu(monkeypatch)
    (tmp_path / "results").write_text("a file")
    code, out, err = doctor(*CUDA, "--framework", "torch", "--mode", "eager")
    assert re.search(r"^torch eager +works", out, re.MULTILINE)
    assert re.match(r"samestep: .*doctor-.*\.json cannot be written: .*\n$", err)
    assert code == 0


def test_the_name_of_a_file_is_not_taken_twice(tmp_path: Path) -> None:
    now = time.gmtime(0)
    first = attachment.path_in(tmp_path, now)
    first.touch()
    assert (first.name, attachment.path_in(tmp_path, now).name) == (
        "doctor-19700101-000000.json",
        "doctor-19700101-000000-2.json",
    )


def test_a_gpu_that_others_use_is_checked_all_the_same(
    doctor: Doctor, quick_host: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    Gpu(monkeypatch, programs=lambda now: {999_999_999: 5})
    code, out, _ = doctor(*CUDA, "--framework", "torch", "--mode", "eager")
    assert code == 0
    assert "is used by process 999999999 as well" in out


def test_what_was_observed_of_others_is_counted_and_not_named() -> None:
    record = factories.record(observation=Observation(foreign=("their-program (4711)",)))
    assert "their-program" not in json.dumps(attachment._record(record))


@pytest.mark.parametrize(
    ("launcher", "typed", "environ", "frameworks"),
    [
        ("workers", (), {"SAMESTEP_FRAMEWORK": "torch, jax", "SAMESTEP_PROFILE": "look"}, ("torch", "jax")),
        ("workers", (), {"SAMESTEP_FRAMEWORK": "", "SAMESTEP_PROFILE": "look"}, tuple(PROFILES["look"].modes)),
        ("workers", (), {"SAMESTEP_PROFILE": "quick"}, ()),  # all
        ("workers", ("flax",), {"SAMESTEP_FRAMEWORK": "torch"}, ("flax",)),
        ("venv", (), {"SAMESTEP_FRAMEWORK": "torch"}, ()),
    ],
)
def test_of_workers_those_are_tried_that_compose_has_started(
    launcher: str, typed: tuple[str, ...], environ: dict[str, str], frameworks: tuple[str, ...]
) -> None:
    asked = check.Asked(names=Selection(framework=typed), launcher=launcher)
    assert check.begun(asked, environ).framework == frameworks
