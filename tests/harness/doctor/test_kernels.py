"""GPUs for which a locked library has no kernels, or has wrong ones, are named by the doctor."""

import dataclasses

import pynvml
import pytest

from bench.catalogue import packages_of
from harness.doctor import kernels, survey
from harness.doctor.checks import examine
from harness.doctor.kernels import Capability, faulty_cublas, packages, uncompiled
from harness.environments import locks
from harness.host import nvidia
from tests.fake_nvml import FakeGpu, FakeNvml
from tests.harness.doctor.test_checks import H100, server

LOCKED = {
    "tensorflow": {"tensorflow": "2.21.0", "nvidia-cublas": "12.9.3.13"},
    "torch": {"nvidia-cublas": "13.1.1.3"},
    "jax": {"nvidia-cublas": "13.2.1.1"},
    "numpy": {},
}


def lines(capability: Capability) -> dict[str, str]:
    gpu = dataclasses.replace(H100, name="A GPU", capability=capability)
    checks = [each for each in examine(server(gpus=(gpu,), locked=LOCKED)) if each.status != "ok"]
    assert all(each.status == "warn" and each.remedy for each in checks)
    return {each.name: each.found for each in checks}


@pytest.mark.parametrize("capability", [(6, 1), (7, 0), (7, 5), (8, 0), (8, 6), (8, 9), (9, 0)])
def test_a_gpu_for_which_all_have_kernels_has_no_line(capability: Capability) -> None:
    assert uncompiled(capability) == ""
    assert lines(capability) == {}


def test_a_gpu_for_which_the_driver_compiles_is_named_with_the_frameworks() -> None:
    compiled = "A GPU: TensorFlow has no kernels for it: the driver compiles them (tensorflow)"
    assert lines((12, 0)) == {"kernels": compiled}
    assert lines((5, 2)) == {"kernels": "A GPU: TensorFlow cannot run on it (tensorflow)"}
    assert lines((10, 0)) == {
        "kernels": compiled,
        "cuBLAS": "older than 13.2 in the locks of tensorflow (12.9.3.13), torch (13.1.1.3)",
    }


def test_a_driver_that_does_not_say_raises_no_alarm() -> None:
    assert lines((0, 0)) == {}


@pytest.mark.parametrize(
    ("version", "wrong"), [("12.6.4.1", False), ("12.8.0.1", True), ("13.1.1.3", True), ("13.2.0.9", False)]
)
def test_the_cublas_that_frees_tensor_memory_twice(version: str, wrong: bool) -> None:
    assert faulty_cublas((10, 3), version) == faulty_cublas((11, 0), version) == wrong
    assert not faulty_cublas((9, 0), version)
    assert not faulty_cublas((12, 0), version)


def test_the_list_of_machine_code_is_that_of_the_locked_tensorflow() -> None:
    """A newer one may bring other kernels: look at .bazelrc of its release, then change both."""
    found = survey._locked(locks.ROOT)
    assert set(found) == {packages_of(name) for name in locks.asked_for("cuda")}
    assert {of["tensorflow"] for of in found.values() if "tensorflow" in of} == {kernels.TENSORFLOW}
    assert {name for name, of in found.items() if "tensorflow" in of} == {"tensorflow", "keras_tensorflow"}


def test_jax_has_a_cublas_that_runs_beside_other_kernels() -> None:
    for name in ("jax", "flax", "keras_jax"):
        lock = locks.lock_file(locks.ROOT, name, "cuda").read_text(encoding="utf-8")
        assert not faulty_cublas((10, 0), packages(lock)["nvidia-cublas"])


def test_nvml_is_asked_for_the_compute_capability() -> None:
    assert nvidia.look(FakeNvml(FakeGpu())).gpus[0].capability == (9, 0)

    class Silent(FakeNvml):
        def nvmlDeviceGetCudaComputeCapability(self, gpu: FakeGpu) -> tuple[int, int]:  # noqa: N802
            raise pynvml.NVMLError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)

    assert nvidia.look(Silent(FakeGpu())).gpus[0].capability == (0, 0)
