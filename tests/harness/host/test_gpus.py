"""The chosen GPU before a run: what is missing is one sentence with its remedy, and so is who else uses it."""

from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest

from bench.turns.owner import INITIAL
from harness.errors import USAGE, SetupError
from harness.host import gpus, nvidia
from harness.host.gpus import memory_bytes, open_gpu, require_free, wanted
from harness.host.machine import host_facts
from harness.host.nvidia import NvidiaError
from harness.host.pids import inner, sees_host
from tests.fake_nvml import FakeGpu, FakeNvml

MIB = 1 << 20
GIB = 1 << 30


def proc(tmp_path: Path, namespace: str = f"pid:[{INITIAL}]") -> str:
    folder = tmp_path / "proc" / "self" / "ns"
    folder.mkdir(parents=True)
    (folder / "pid").symlink_to(namespace)
    return str(tmp_path / "proc")


def refusal(nvml: FakeNvml, *, name: str = "0", shared: bool = False) -> str:
    with pytest.raises(SetupError) as raised:
        require_free(name, print, shared=shared, nvml=nvml)
    assert raised.value.exit_code == USAGE
    assert nvml.opened == 0
    sentence = str(raised.value)
    assert "\n" not in sentence
    assert sentence.endswith("; or run with --device cpu.")
    return sentence


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ("NVML_ERROR_LIBRARY_NOT_FOUND", "install the NVIDIA driver; a container needs --gpus"),
        ("NVML_ERROR_DRIVER_NOT_LOADED", "sudo modprobe nvidia"),
        ("NVML_ERROR_LIB_RM_VERSION_MISMATCH", "restart the host"),
        ("NVML_ERROR_NO_PERMISSION", "/dev/nvidia*; a container needs --gpus"),
        ("NVML_ERROR_FUNCTION_NOT_FOUND", "the driver is too old"),
        ("NVML_ERROR_GPU_IS_LOST", "dmesg"),
        ("NVML_ERROR_UNKNOWN", "dmesg"),
        ("NVML_ERROR_GPU_NOT_FOUND", "nvidia-smi -L"),
        ("NVML_ERROR_RESET_REQUIRED", "--gpu-reset"),
        ("NVML_ERROR_INSUFFICIENT_POWER", "power cables"),
        ("NVML_ERROR_MEMORY", "Insufficient Memory"),
    ],
)
def test_without_a_gpu_that_works_a_run_is_refused_with_the_remedy(error: str, remedy: str) -> None:
    assert remedy in refusal(FakeNvml(FakeGpu(), init_error=getattr(pynvml, error)))


def test_every_error_of_the_library_is_a_sentence() -> None:
    codes = [getattr(pynvml, name) for name in dir(pynvml) if name.startswith("NVML_ERROR_")]
    assert len(codes) > 25
    for code in codes:
        assert nvidia.explain(pynvml.NVMLError(code), pynvml)
    assert {getattr(pynvml, name) for name in nvidia.REMEDIES} <= set(codes)


def test_a_driver_without_a_gpu_and_a_gpu_that_is_not_there_are_refused() -> None:
    assert "the NVIDIA driver has no GPU" in refusal(FakeNvml())
    assert "there is no GPU '3': Not Found (nvidia-smi -L lists the GPUs)" in refusal(FakeNvml(FakeGpu()), name="3")
    hidden = wanted({"CUDA_VISIBLE_DEVICES": ""}, in_container=False)
    assert "CUDA_VISIBLE_DEVICES is empty" in refusal(FakeNvml(FakeGpu()), name=hidden)


@pytest.mark.parametrize("name", ["4294967296", "-1", "0:x", "all", "²", "MIG-nothing"])
def test_a_name_that_is_no_gpus_is_refused_in_a_sentence(name: str) -> None:
    nvml = FakeNvml(FakeGpu(instances=[FakeGpu(uuid="MIG-1")]))
    with pytest.raises(NvidiaError, match=r"^there is no GPU "):
        open_gpu(name, nvml)
    assert nvml.opened == 0


def test_where_only_nvml_is_missing_one_may_go_on_unobserved(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container without the capability "utility" has the driver's CUDA library, and not that of NVML."""
    missing = pynvml.NVML_ERROR_LIBRARY_NOT_FOUND
    monkeypatch.setattr(nvidia, "has_cuda", lambda: True)
    require_free("0", print, shared=True, nvml=FakeNvml(init_error=missing))
    refusal(FakeNvml(init_error=missing))
    monkeypatch.setattr(nvidia, "has_cuda", lambda: False)
    refusal(FakeNvml(init_error=missing), shared=True)


def test_memory_that_no_program_explains_is_refused_unless_sharing_is_allowed(tmp_path: Path) -> None:
    said: list[str] = []
    nvml = FakeNvml(FakeGpu(used_bytes=900 * MIB))
    folder = proc(tmp_path)
    with pytest.raises(SetupError, match=r"not list here \(900 MiB of its memory\).*--allow-shared-gpu"):
        require_free("0", said.append, shared=False, nvml=nvml, proc=folder)
    require_free("0", said.append, shared=True, nvml=nvml, proc=folder)
    assert len(said) == 1
    require_free("0", said.append, shared=False, nvml=FakeNvml(FakeGpu(used_bytes=100 * MIB)), proc=folder)
    assert len(said) == 1


def test_in_another_pid_namespace_it_is_said_that_programs_may_be_hidden(tmp_path: Path) -> None:
    said: list[str] = []
    require_free("0", said.append, shared=False, nvml=FakeNvml(FakeGpu()), proc=proc(tmp_path, "pid:[4026532999]"))
    assert len(said) == 1
    assert "pid: host" in said[0]
    require_free("0", said.append, shared=False, nvml=FakeNvml(FakeGpu()), proc=proc(tmp_path / "host"))
    assert len(said) == 1


@pytest.mark.parametrize(
    ("name", "variables", "in_container", "refused"),
    [
        ("1", {}, False, True),
        ("0:1", {}, False, True),
        ("1", {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, False, False),
        ("1", {}, True, False),  # it has one GPU, the engine's, whose numbers are NVML's
        ("GPU-b", {}, False, False),
    ],
)
def test_a_number_that_is_another_gpus_for_cuda_is_refused(
    tmp_path: Path, name: str, variables: dict[str, str], in_container: bool, refused: bool
) -> None:
    by_speed = gpus.by_speed(variables, in_container=in_container)
    folder = proc(tmp_path)
    two = FakeGpu(uuid="GPU-a", model="NVIDIA A400"), FakeGpu(uuid="GPU-b", model="NVIDIA H100")
    nvml = FakeNvml(*two)
    if refused:
        with pytest.raises(
            SetupError, match=r"several kinds \(NVIDIA A400, NVIDIA H100\).*CUDA_DEVICE_ORDER=PCI_BUS_ID"
        ):
            require_free(name, print, shared=True, by_speed=by_speed, nvml=nvml, proc=folder)
    else:
        require_free(name, print, shared=False, by_speed=by_speed, nvml=nvml, proc=folder)
    assert nvml.opened == 0
    alike = FakeNvml(FakeGpu(uuid="GPU-a"), FakeGpu(uuid="GPU-b"))
    require_free("1", print, shared=False, by_speed=True, nvml=alike, proc=folder)


def test_a_list_that_nvml_refuses_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    nvml = FakeNvml(FakeGpu())
    nvml.fail("nvmlDeviceGetComputeRunningProcesses_v3", pynvml.NVML_ERROR_NOT_SUPPORTED)
    require_free("0", said.append, shared=False, nvml=nvml, proc=proc(tmp_path))
    assert said == ["Whether other programs use GPU GPU-1111 is not known: Not Supported."]


def test_a_program_that_only_draws_and_one_without_a_pid_here_are_users(tmp_path: Path) -> None:
    gpu = FakeGpu(drawing=lambda now: {999_999_999: 5}, programs=lambda now: {0: None})
    with pytest.raises(SetupError, match="process 999999999, a process of another PID namespace"):
        require_free("0", print, shared=False, nvml=FakeNvml(gpu), proc=proc(tmp_path))


def test_a_process_that_is_listed_for_two_instances_holds_the_sum() -> None:
    class Twice(FakeNvml):
        def nvmlDeviceGetComputeRunningProcesses_v3(self, gpu: FakeGpu) -> list[SimpleNamespace]:  # noqa: N802
            return super().nvmlDeviceGetComputeRunningProcesses_v3(gpu) * 2

    nvml = Twice(FakeGpu(programs=lambda now: {7: 5, 8: None}))
    assert open_gpu("0", nvml).programs() == {7: 10, 8: None}


def test_a_lost_gpu_is_no_obstacle_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    lost, good = FakeGpu(uuid="GPU-a"), FakeGpu(uuid="GPU-b")

    class OneLost(FakeNvml):
        def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeGpu:  # noqa: N802
            if index == 0:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
            return super().nvmlDeviceGetHandleByIndex(index)

    assert open_gpu("GPU-b", OneLost(lost, good)).uuid == "GPU-b"
    assert [gpu.uuid for gpu in nvidia.look(OneLost(lost, good)).gpus] == ["GPU-b"]
    with pytest.raises(NvidiaError, match="GPU is lost"):
        nvidia.look(OneLost(lost))


def test_a_gpu_that_lists_no_programs_is_still_there() -> None:
    nvml = FakeNvml(FakeGpu())
    nvml.fail("nvmlDeviceGetComputeRunningProcesses_v3", pynvml.NVML_ERROR_NO_PERMISSION)
    assert [gpu.users for gpu in nvidia.look(nvml).gpus] == [()]


@pytest.mark.parametrize(("name", "size"), [("0", 24), ("GPU-b", 80), ("2:1", 20), ("MIG-1", 10)])
def test_the_memory_is_that_of_the_chosen_gpu_or_instance(name: str, size: int) -> None:
    instances = [FakeGpu(uuid="MIG-1", total_bytes=10 * GIB), None, FakeGpu(uuid="MIG-2", total_bytes=20 * GIB)]
    nvml = FakeNvml(
        FakeGpu(uuid="GPU-a", total_bytes=24 * GIB), FakeGpu(uuid="GPU-b"), FakeGpu(uuid="GPU-c", instances=instances)
    )
    assert memory_bytes(name, nvml) == size * GIB
    assert nvml.opened == 0


def test_the_facts_of_a_run_name_the_chosen_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = FakeNvml(FakeGpu(uuid="GPU-a", model="NVIDIA A400"), FakeGpu(uuid="GPU-b", model="NVIDIA H100"))
    monkeypatch.setattr(nvidia, "library", lambda: nvml)
    assert host_facts("cuda", gpu="1").gpu == "NVIDIA H100"
    assert host_facts("cuda").gpu == "NVIDIA A400, NVIDIA H100"
    assert host_facts("cuda", gpu="7").gpu == ""


def test_a_process_says_what_it_is_called_in_its_own_namespace(tmp_path: Path) -> None:
    (tmp_path / "7100").mkdir()
    (tmp_path / "7100" / "status").write_text("Name:\tpython\nPid:\t7100\nNSpid:\t7100\t31\t7\nThreads:\t1\n")
    assert (inner(7100, str(tmp_path)), inner(7101, str(tmp_path))) == (7, None)
    assert sees_host(proc(tmp_path / "a"))
    assert not sees_host(proc(tmp_path / "b", "pid:[4026531999]"))
    assert not sees_host(str(tmp_path / "nothing"))
    assert gpus.unexplained(None, ()) == 0
