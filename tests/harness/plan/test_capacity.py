"""A replicate can have the least of the free memory and the limits of its process, which depend on the launcher."""

import re
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.errors import SelectionError, SetupError
from harness.format import GIB
from harness.host import nvidia
from harness.launchers.choose import LAUNCHERS
from harness.plan import capacity, planner
from harness.plan.capacity import Capacity, available, bytes_of, limits
from harness.plan.request import parsed
from harness.run.room import Room
from tests.fake_nvml import FakeGpu, FakeNvml


def host(monkeypatch: pytest.MonkeyPatch, *, free: int, groups: Sequence[int] = ()) -> None:
    """Pretend that this host has so many GiB free, and that control groups limit the harness to so many."""
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=free * GIB))
    monkeypatch.setattr(capacity, "limits", lambda: iter([group * GIB for group in groups]))


@pytest.mark.parametrize(
    ("launchers", "gives", "sentence"),
    [
        (["venv"], 12, "that this process's control group allows"),
        (["here"], 12, "that this process's control group allows"),
        (["docker"], 16, "that SAMESTEP_MEMORY gives a container"),
        (["workers"], 16, "that SAMESTEP_MEMORY gives a container"),
        (["venv", "docker"], 12, "that this process's control group allows"),
    ],
)
def test_a_limit_counts_for_those_whom_it_limits(
    monkeypatch: pytest.MonkeyPatch, launchers: list[str], gives: int, sentence: str
) -> None:
    host(monkeypatch, free=20, groups=[14, 12])
    assert available("cpu", in_container=containers(launchers), variables={}) == Capacity(gives * GIB, sentence)


def test_the_smallest_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    host(monkeypatch, free=10, groups=[12])
    assert (
        str(available("cpu", in_container=containers(["venv"]), variables={})) == "the 10 GiB that this host has free"
    )
    assert available("cpu", in_container=containers(["docker"]), variables={"SAMESTEP_MEMORY": "3g"}).bytes == 3 * GIB
    assert available("cpu", in_container=containers(["docker"]), variables={"SAMESTEP_MEMORY": "30g"}).bytes == 10 * GIB
    assert (
        available("cpu", in_container=containers(["venv", "docker"]), variables={"SAMESTEP_MEMORY": "3g"}).bytes
        == 3 * GIB
    )


@pytest.mark.parametrize(
    ("launchers", "variables", "gives"),
    [
        (["docker"], {}, 8),
        (["docker"], {"SAMESTEP_GPU": "1", "CUDA_VISIBLE_DEVICES": "0"}, 80),
        (["venv"], {"CUDA_VISIBLE_DEVICES": "GPU-b", "SAMESTEP_GPU": "0"}, 80),
        (["venv", "docker"], {"CUDA_VISIBLE_DEVICES": "1"}, 8),
        (["venv"], {"CUDA_VISIBLE_DEVICES": "MIG-2"}, 20),
        (["docker"], {"SAMESTEP_GPU": "2"}, 10),
    ],
)
def test_on_a_gpu_it_is_the_chosen_gpus(
    monkeypatch: pytest.MonkeyPatch, launchers: list[str], variables: dict[str, str], gives: int
) -> None:
    host(monkeypatch, free=1, groups=[1])
    instances = [FakeGpu(uuid="MIG-1", total_bytes=10 * GIB), FakeGpu(uuid="MIG-2", total_bytes=20 * GIB)]
    nvml = FakeNvml(
        FakeGpu(uuid="GPU-a", total_bytes=8 * GIB), FakeGpu(uuid="GPU-b"), FakeGpu(uuid="GPU-c", instances=instances)
    )
    monkeypatch.setattr(nvidia, "library", lambda: nvml)
    in_container = containers(launchers)
    assert available("cuda", in_container=in_container, variables=variables) == Capacity(
        gives * GIB, "that the GPU has"
    )
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Room.of("cuda", in_container=in_container).gpu_bytes == gives * GIB


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/user.slice/run.scope\n", {"user.slice/run.scope/memory.max": "8000\n"}, [8000]),
        (
            "0::/user.slice/run.scope\n",
            {"user.slice/run.scope/memory.max": "max\n", "user.slice/memory.max": "9000\n", "other/memory.max": "1\n"},
            [9000],
        ),
        ("0::/\n", {"memory.max": "7000\n"}, [7000]),  # a container with a namespace of its own
        ("0::/docker/3f\n", {"memory.max": "7000\n"}, [7000]),  # one that is shown the host's path
        ("4:memory:/batch/7c\n0::/\n", {"memory/batch/7c/memory.limit_in_bytes": "6000\n"}, [6000]),
        ("4:cpu,memory:/\n", {"memory/memory.limit_in_bytes": "6000\n", "memory.max": "1\n"}, [6000]),
        ("0::/\n", {}, []),
        ("", {}, []),
    ],
)
def test_limits_are_those_of_the_group_and_of_the_groups_around_it(
    tmp_path: Path, membership: str, files: dict[str, str], expected: list[int]
) -> None:
    (tmp_path / "cgroup").write_text(membership)
    for name, text in files.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(text)
    assert list(limits(membership=tmp_path / "cgroup", mounts=tmp_path / "fs")) == expected


def test_a_host_without_control_groups_has_no_limit(tmp_path: Path) -> None:
    assert list(limits(membership=tmp_path / "cgroup", mounts=tmp_path)) == []


@pytest.mark.parametrize(
    ("amount", "expected"),
    [("16g", 16 << 30), ("512m", 512 << 20), ("1.5GiB", 3 << 29), ("100KB", 100 << 10), ("4096", 4096), ("7 b", 7)],
)
def test_amounts_are_read_as_docker_reads_them(amount: str, expected: int) -> None:
    assert bytes_of(amount) == expected


@pytest.mark.parametrize("amount", ["", "much", "16x", "-1g", "1e9"])
def test_what_is_not_an_amount_is_one_sentence(amount: str) -> None:
    with pytest.raises(SetupError, match=re.escape(f"SAMESTEP_MEMORY is {amount!r}")):
        bytes_of(amount)


def containers(launchers: list[str]) -> list[bool]:
    return [LAUNCHERS[name].in_container for name in launchers]


def planned(size: str | None = None) -> planner.Planned:
    request = parsed(framework="numpy", workload="regression_wide", profile="quick", size=size)
    return planner.planned_run(request, launchers="here", blocks=1, say=lambda line: None)


def test_a_plan_refuses_what_cannot_fit_and_leaves_out_of_the_usual_what_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        capacity, "available", lambda device, in_container: Capacity(1 << 20, "that this host has free")
    )
    with pytest.raises(SelectionError, match=r"regression_wide XL holds at least 500 MiB .* the 1 MiB that this host"):
        planned("XL")
    small = planned()
    assert [(cell.workload, cell.size) for cell in small.plan.cells if cell.track == "identical"] == [
        ("regression_wide", "S")
    ]
    assert small.left_out == "Left out, larger than the 1 MiB that this host has free: regression_wide M."
