"""The doctor: what a host can run, and a remedy on every line that is not as it should be."""

import dataclasses
from pathlib import Path
from typing import Any

import pynvml
import pytest

from harness.doctor import checks, survey
from harness.doctor.checks import Check, can_run, examine, ways
from harness.doctor.survey import Engine, Host, usual
from harness.host import nvidia
from harness.host.nvidia import Gpu, NvidiaError
from harness.launchers import scratch
from tests.fake_nvml import FakeGpu, FakeNvml

NO_ENGINE = "No Docker engine answers at unix:///var/run/docker.sock: start it (sudo systemctl start docker)."
H100 = Gpu(uuid="GPU-1", name="NVIDIA H100", memory_bytes=80 << 30, users=())
ENGINE = Engine(
    version="26.1.5+dfsg1",
    nvidia=True,
    free_bytes=100_000_000_000,
    images=frozenset(f"samestep/{name}:{device}" for name in usual() for device in ("cpu", "cuda")),
)
VENV = "samestep run --launcher venv --device cpu"


def found(**changes: Any) -> Host:
    """A laptop without engine and GPU."""
    plain = Host(
        python=(3, 11, 7),
        cpus=(0, 1),
        load=0.1,
        cgroup=2,
        free_bytes=100_000_000_000,
        missing=(),
        closed="",
        results_writable=True,
        environments=usual(),
        no_interpreter=(),
        engine=None,
        engine_error=NO_ENGINE,
        compose="",
        driver="",
        driver_error="NVML Shared Library Not Host",
        gpus=(),
        cuda={"torch": 13, "tensorflow": 12},
    )
    return dataclasses.replace(plain, **changes)


def server(**changes: Any) -> Host:
    """A GPU host where everything is as it should be."""
    plain = found(engine=ENGINE, engine_error="", compose="2.26.1", driver="580.95.05", driver_error="", gpus=(H100,))
    return dataclasses.replace(plain, **changes)


def check(name: str, host: Host) -> Check:
    (one,) = (each for each in examine(host) if each.name == name)
    return one


def open_ways(host: Host) -> list[str]:
    return [way.command for way in ways(examine(host)) if not way.obstacle]


def test_a_laptop_without_engine_and_gpu_can_run_and_fails_nothing() -> None:
    assert [each.name for each in examine(found()) if each.status == "fail"] == []
    assert open_ways(found()) == [VENV]
    assert can_run(examine(found()))


def test_a_gpu_host_with_everything_can_run_every_way() -> None:
    assert [each for each in examine(server()) if each.status != "ok"] == []
    assert [way.obstacle for way in ways(examine(server()))] == [""] * 6


SICK: dict[str, dict[str, Any]] = {
    "Python": {"python": (3, 10, 2)},
    "checkout": {"missing": ("bench",)},
    "code in containers": {"closed": "bench/turns/turn.py"},
    "results": {"results_writable": False},
    "temporary folder": {"temporary": "/t sp", "temporary_fault": "its path has a space"},
    "environment of torch for cpu": {"damaged": {"torch for cpu": "it is damaged (x): the next run makes it again"}},
    "environments": {"half_made": ("torch",)},
    "C++ compiler": {"compiler_fault": "there is no g++"},
    "disk": {"free_bytes": 3_000_000_000, "environments": ()},
    "processors": {"cpus": (0,)},
    "cgroup": {"cgroup": 0},
    "Python for cpu": {"no_interpreter": ("cpu",)},
    "Docker engine": {"engine": dataclasses.replace(ENGINE, version="20.10.5")},
    "images": {"engine": dataclasses.replace(ENGINE, images=frozenset())},
    "Docker Compose": {"compose": "2.17.3"},
    "GPU": {"gpus": ()},
    "GPU in use": {"gpus": (dataclasses.replace(H100, users=("python (4711)",)),)},
    "driver": {"driver": "570.86.15"},
    "NVIDIA runtime": {"engine": dataclasses.replace(ENGINE, nvidia=False)},
}


@pytest.mark.parametrize("name", SICK)
def test_each_line_that_is_not_ok_has_its_remedy(name: str) -> None:
    one = check(name, server(**SICK[name]))
    assert one.status != "ok"
    assert one.found
    assert one.remedy


@pytest.mark.parametrize(
    ("name", "obstructed"),
    [
        ("Python", 6),
        ("code in containers", 4),
        ("Docker engine", 4),
        ("Docker Compose", 2),
        ("GPU", 3),
        ("driver", 3),
        ("NVIDIA runtime", 2),
        ("Python for cpu", 0),
        ("GPU in use", 0),
        ("temporary folder", 0),
        ("environments", 0),
        ("C++ compiler", 0),
        ("images", 0),
        ("processors", 0),
    ],
)
def test_a_line_obstructs_the_ways_that_need_it_and_no_other(name: str, obstructed: int) -> None:
    assert [way.obstacle for way in ways(examine(server(**SICK[name]))) if way.obstacle] == [name] * obstructed


def test_a_temporary_folder_that_runs_do_not_use_only_warns() -> None:
    one = check("temporary folder", found(temporary="/t sp", temporary_fault="its path has a space"))
    assert one.status == "fail"
    sick = found(temporary="/t sp", temporary_fault="its path has a space", temporary_instead="/var/tmp")
    one = check("temporary folder", sick)
    assert (one.status, "export TMPDIR=/var/tmp" in one.remedy) == ("warn", True)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("", ""),
        ("exit 1", "failed"),
        ("echo '<stdin>:1:10: fatal error: Python.h: No such file or directory' >&2; exit 1", "Python.h"),
        ("echo '/usr/bin/ld: cannot find -lgomp: No such file or directory' >&2; exit 1", "ld: cannot find -lgomp"),
    ],
)
def test_a_compiler_is_tried_and_its_words_are_told(tmp_path: Path, script: str, told: str) -> None:
    program = tmp_path / "cc"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    said = survey.compiler_fault(tmp_path, compiler=str(program))
    assert told in said
    assert bool(said) == bool(script)


def test_a_compiler_that_is_not_there_is_said(tmp_path: Path) -> None:
    assert survey.compiler_fault(tmp_path, compiler="no-such-compiler") == "there is no no-such-compiler"


def test_a_forbidden_engine_fails_where_an_absent_one_only_warns() -> None:
    forbidden = "This user may not use the Docker engine at /var/run/docker.sock: sudo usermod -aG docker $USER."
    assert check("Docker engine", found()).status == "warn"
    one = check("Docker engine", found(engine_error=forbidden))
    assert (one.status, one.remedy) == ("fail", "sudo usermod -aG docker $USER.")


def test_a_missing_engine_says_where_it_looked() -> None:
    one = check("Docker engine", found())
    assert one.found == "No Docker engine answers at unix:///var/run/docker.sock"
    assert one.remedy == "start it (sudo systemctl start docker)."


@pytest.mark.parametrize(
    ("driver", "short"),
    [
        ("580.65.06", ""),
        ("579.99", "torch (580)"),
        ("525.60.13", "torch (580)"),
        ("524.9", "torch (580), tensorflow (525)"),
    ],
)
def test_the_driver_is_held_to_what_each_image_needs(driver: str, short: str) -> None:
    one = check("driver", server(driver=driver))
    assert one.status == ("fail" if short else "ok")
    assert one.found == (f"{driver}, too old for the images of {short}" if short else driver)


def test_an_old_driver_names_what_can_be_run_with_it() -> None:
    assert "SAMESTEP_FRAMEWORK=tensorflow" in check("driver", server(driver="570.86.15")).remedy
    assert "leave them out" not in check("driver", server(driver="524.9")).remedy


def test_images_that_do_not_fit_on_the_engines_disk_fail() -> None:
    small = dataclasses.replace(ENGINE, images=frozenset(), free_bytes=2_000_000_000)
    assert check("images", found(engine=small)).found == f"2 GB free for {len(usual())} of them"
    assert check("images", found(engine=dataclasses.replace(small, free_bytes=9_000_000_000))).status == "warn"


def test_a_busy_host_is_said_to_be_busy() -> None:
    assert check("processors", found(load=1.5)).found == "2, 1.5 of them busy"


@pytest.mark.parametrize(
    ("text", "version"),
    [("26.1.5+dfsg1", (26, 1, 5)), ("v2.24.0-desktop.1", (2, 24, 0)), ("580.95.05", (580, 95, 5)), ("dev", (0,))],
)
def test_reads_versions_as_people_write_them(text: str, version: tuple[int, ...]) -> None:
    assert checks.version_of(text) == version


def test_tells_the_versions_of_control_groups_apart(tmp_path: Path) -> None:
    assert survey.cgroup_version(tmp_path) == 0
    (tmp_path / "memory").mkdir()
    assert survey.cgroup_version(tmp_path) == 1
    (tmp_path / "cgroup.controllers").touch()
    assert survey.cgroup_version(tmp_path) == 2


def test_looking_at_this_host_gives_an_answer_with_a_way() -> None:
    assert can_run(examine(survey.look()))


def test_asks_nvml_for_the_gpus_and_their_users() -> None:
    nvml = FakeNvml(FakeGpu(uuid="GPU-0", programs=lambda now: {999_999_999: None}))
    seen = nvidia.look(nvml)
    assert seen.driver == "580.95.05"
    assert seen.gpus == (dataclasses.replace(H100, uuid="GPU-0", users=("process 999999999",), capability=(9, 0)),)
    assert not nvml.opened


def test_a_host_without_driver_says_so_in_nvmls_words() -> None:
    with pytest.raises(NvidiaError, match=r"Driver Not Loaded \(.*modprobe"):
        nvidia.look(FakeNvml(init_error=pynvml.NVML_ERROR_DRIVER_NOT_LOADED))


def test_a_folder_whose_name_compilers_do_not_take_is_seen() -> None:
    assert "folders" not in [each.name for each in examine(found())]
    seen = check("folders", found(unfit=("/tmp/t sp",)))
    assert (seen.status, seen.found) == ("warn", "'/tmp/t sp'")
    assert scratch.is_safe(Path("/home/me/main-2/.envs/torch_x+1"))
    unsafe = ("/tmp/t sp", "/tmp/it's", "/tmp/é", "/tmp/$x", "/tmp/(1)")
    assert not any(scratch.is_safe(Path(name)) for name in unsafe)


def test_a_driver_without_a_gpu_is_not_no_driver() -> None:
    assert "has no GPU" in check("GPU", server(gpus=())).found
    assert check("GPU", found(driver_error="")).found == "none"
