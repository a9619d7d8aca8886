"""Other programs on the GPU, by what drivers say of processes: in the host's PID namespace, in a container, or nothing.

The open kernel module gives PIDs of the caller's namespace and leaves out processes that are not in it. Older drivers
give the host's PIDs to everybody.
"""

from collections.abc import Callable
from pathlib import Path

import pynvml
import pytest

from bench.records.observation import Observation
from harness.host import gpus
from harness.samplers.base import Costs, Watched
from harness.samplers.nvml import Device, NvmlProbe
from harness.samplers.owner import Owner
from tests.fake_nvml import FakeGpu, FakeNvml
from tests.harness.samplers.turn import CHILD, MIB, OWN, STRANGER, Host, Turn

CONTAINER = "pid:[4026532999]"
OWN_ON_HOST, STRANGER_ON_HOST = 70_100, 74_711  # the same processes, as the host numbers them

Programs = Callable[[float], dict[int, int | None]]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.samplers.nvml.RELEASE_EVERY_S", 0.001)
    monkeypatch.setattr("harness.samplers.nvml.RELEASE_S", 0.005)


def run(tmp_path: Path, programs: Programs, *, namespace: str, pid: int | None = OWN, **gpu: object) -> Observation:
    proc = Host(tmp_path / "proc", namespace).root
    used = gpu.pop("used_bytes", [(0, 4 * MIB), (1, 900 * MIB), (4.9, 4 * MIB)])
    return Turn(FakeNvml(FakeGpu(programs=programs, used_bytes=used, **gpu)), proc).run(pid=pid)  # type: ignore[arg-type]


def while_it_runs(own: int) -> Programs:
    return lambda now: {own: 800 * MIB} if 1 <= now < 4.9 else {}


def why(seen: Observation) -> list[str]:
    return [line.partition(": ")[2] for line in seen.missing if line.startswith("foreign")]


def test_on_the_host_nothing_is_hidden(tmp_path: Path) -> None:
    seen = run(tmp_path, while_it_runs(OWN), namespace="pid:[4026531836]")
    assert (seen.foreign, why(seen), seen.device_process_peak_bytes) == ((), [], 800 * MIB)


@pytest.mark.parametrize("own", [OWN, OWN_ON_HOST], ids=["open driver", "older driver"])
def test_in_a_container_the_record_says_that_others_may_be_hidden(tmp_path: Path, own: int) -> None:
    seen = run(tmp_path, while_it_runs(own), namespace=CONTAINER)
    assert seen.foreign == ()
    assert len(why(seen)) == 1
    assert "pid: host" in why(seen)[0]


def test_an_older_drivers_pid_that_happens_to_be_somebody_here_is_no_stranger(tmp_path: Path) -> None:
    """It is the replicate, as the host numbers it; in this namespace another process has that number."""
    assert run(tmp_path, while_it_runs(STRANGER), namespace=CONTAINER).foreign == ()


def test_a_program_of_the_same_container_is_seen_where_the_driver_converts(tmp_path: Path) -> None:
    both: Programs = lambda now: {OWN: 800 * MIB, STRANGER: MIB} if 1 <= now < 4.9 else {}  # noqa: E731
    assert run(tmp_path, both, namespace=CONTAINER).foreign == (f"process {STRANGER}",)


@pytest.mark.parametrize("pid", [OWN, None], ids=["replicate is seen", "replicate in another container"])
def test_a_program_that_was_there_before_and_after_is_a_stranger_by_whatever_number(
    tmp_path: Path, pid: int | None
) -> None:
    def programs(now: float) -> dict[int, int | None]:
        return {STRANGER_ON_HOST: None, **({OWN_ON_HOST: None} if 1 <= now < 4.9 else {})}

    seen = run(tmp_path, programs, namespace=CONTAINER, pid=pid)
    assert len(seen.foreign) == 1
    assert str(STRANGER_ON_HOST) in seen.foreign[0]


def test_the_replicate_before_that_is_still_listed_is_none(tmp_path: Path) -> None:
    assert run(tmp_path, lambda now: {OWN_ON_HOST: None} if now < 1 else {}, namespace=CONTAINER).foreign == ()


def test_a_replicate_in_another_container_is_not_taken_for_a_stranger(tmp_path: Path) -> None:
    """With `pid: host` the harness sees it, but does not know that it is the replicate."""
    seen = run(tmp_path, while_it_runs(STRANGER), namespace="pid:[4026531836]", pid=None)
    assert seen.foreign == ()
    assert "only programs that were there before are seen" in why(seen)[0]


def test_with_the_hosts_processes_a_stranger_before_the_replicate_is_seen_without_its_pid(tmp_path: Path) -> None:
    seen = run(tmp_path, lambda now: {STRANGER: MIB}, namespace="pid:[4026531836]", pid=None)
    assert seen.foreign == (f"process {STRANGER}",)


@pytest.mark.parametrize("namespace", ["pid:[4026531836]", CONTAINER])
def test_memory_that_nobody_explains_is_a_stranger(tmp_path: Path, namespace: str) -> None:
    seen = run(tmp_path, lambda now: {}, namespace=namespace, used_bytes=1200 * MIB)
    assert seen.foreign == ("programs that NVML does not list here (1.17 GiB of its memory)",)


def test_what_a_driver_keeps_with_no_program_and_what_is_listed_is_explained(tmp_path: Path) -> None:
    assert run(tmp_path, lambda now: {}, namespace=CONTAINER, used_bytes=100 * MIB).foreign == ()
    seen = run(tmp_path / "2", lambda now: {STRANGER: 1150 * MIB}, namespace="pid:[4026531836]", used_bytes=1200 * MIB)
    assert seen.foreign == (f"process {STRANGER}",)


def test_memory_that_the_replicate_before_gives_back_is_waited_for(tmp_path: Path) -> None:
    proc = Host(tmp_path / "proc", CONTAINER).root
    nvml = FakeNvml(FakeGpu(used_bytes=[(0, 1200 * MIB), (0.9, 4 * MIB)]))
    turn = Turn(nvml, proc)
    nvml.costs["nvmlDeviceGetMemoryInfo"] = lambda: setattr(nvml, "now", nvml.now + 0.5)
    turn.probe.begin(0)
    assert turn.probe.foreign == {}
    assert turn.probe.before["device_used_bytes"] == 4 * MIB


def test_a_gpu_that_lists_not_even_the_replicate_hides_others(tmp_path: Path) -> None:
    seen = run(tmp_path, lambda now: {}, namespace="pid:[4026531836]")
    assert why(seen) == ["NVML did not list the replicate itself, so it may not list others"]


@pytest.mark.parametrize("unknown", [None, 0, 2**64 - 1])
def test_bytes_that_the_driver_does_not_say_are_unknown(tmp_path: Path, unknown: int | None) -> None:
    seen = run(tmp_path, lambda now: {OWN: unknown, CHILD: MIB} if now > 1 else {}, namespace="pid:[4026531836]")
    assert seen.device_process_peak_bytes is None
    assert any(line.startswith("device_process_peak_bytes: ") for line in seen.missing)
    assert (seen.foreign, why(seen)) == ((), [])


def test_a_program_that_only_draws_uses_the_gpu_as_well(tmp_path: Path) -> None:
    seen = run(tmp_path, while_it_runs(OWN), namespace="pid:[4026531836]", drawing=lambda now: {STRANGER: 5})
    assert seen.foreign == (f"process {STRANGER}",)


def test_a_list_that_is_refused_is_said_once(tmp_path: Path) -> None:
    nvml = FakeNvml(FakeGpu())
    nvml.fail("nvmlDeviceGetComputeRunningProcesses_v3", pynvml.NVML_ERROR_NOT_SUPPORTED)
    seen = Turn(nvml, Host(tmp_path / "proc", CONTAINER).root).run()
    assert why(seen) == ["Not Supported"]


def test_an_instance_lists_its_own_programs(tmp_path: Path) -> None:
    proc = Host(tmp_path / "proc").root
    small = FakeGpu(uuid="MIG-1", reserved_bytes=0, programs=lambda now: {STRANGER: 5})
    other = FakeGpu(uuid="MIG-2", reserved_bytes=0)
    nvml = FakeNvml(FakeGpu(instances=[None, small, None, other]))
    for name, uuid, foreign in (("0", "MIG-1", [f"process {STRANGER}"]), ("0:1", "MIG-2", []), ("MIG-2", "MIG-2", [])):
        gpu = gpus.open_gpu(name, nvml)
        probe = NvmlProbe(Device(gpu, print), Watched("cell#1"), Owner(Watched("cell#1"), str(proc)), Costs())
        probe.begin(0)
        assert (gpu.uuid, list(probe.foreign.values())) == (uuid, foreign)


def test_a_parked_member_of_the_same_container_holds_memory_of_its_own(tmp_path: Path) -> None:
    """Both run in one worker's container, so that their control group is the same."""
    host = Host(tmp_path / "proc")
    host.add(200, group="/docker/abc")
    host.add(300, group="/docker/abc")
    running, parked = Watched("cell#1"), Watched("cell#2")
    running.started(200)
    parked.started(300)
    assert Owner(running, str(host.root), {running, parked}).own([200, 300]) == [200]
    unknown = Watched("cell#3")
    assert Owner(running, str(host.root), {running, unknown}).others([200, STRANGER]) == []  # it may be the member's
