"""The docker launcher, on a fake engine: a fresh hardened container per replicate, removed whatever happens."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from docker.errors import APIError, ImageNotFound
from requests.exceptions import ConnectionError as EngineError

from bench.turns import owner
from bench.turns.turn import Settings, Turn, to_record, turn_from_json
from harness.environments.checkout import ROOT
from harness.errors import SetupError
from harness.launchers import docker
from harness.launchers.container import explain
from harness.launchers.docker import OWNER, DockerLauncher
from harness.launchers.hardening import Allowance
from harness.terminal import shell
from tests.factories import cell

STATE = {
    "Pid": 4321,
    "Running": True,
    "ExitCode": 0,
    "OOMKilled": False,
    "StartedAt": "2026-11-20T09:32:11.5Z",
    "FinishedAt": "2026-11-20T09:32:12.750000001Z",
}


class FakeContainer:
    def __init__(self, engine: "FakeEngine", name: str, options: Mapping[str, Any]) -> None:
        self.engine = engine
        self.name = name
        self.options = options
        self.labels = options["labels"]
        self.attrs: dict[str, Any] = {"State": engine.state}
        self.done: list[str] = []

    def start(self) -> None:
        self.done.append("start")
        self.engine.on_start(self)

    def wait(self, timeout: float) -> None:
        self.done.append("wait")
        self.engine.on_wait(self, timeout)

    def kill(self) -> None:
        self.done.append("kill")

    def reload(self) -> None:
        pass

    def logs(self) -> bytes:
        return b"first line\n\nlast line\n"

    def remove(self, force: bool) -> None:
        self.engine.running.remove(self)

    def folder(self) -> Path:
        (source,) = (volume.partition(":/out")[0] for volume in self.options["volumes"] if ":/out" in volume)
        return Path(source)


class FakeEngine:
    """Holds images by name and remembers every container; `on_start` and `on_wait` play the container's part."""

    def __init__(self, *images: str) -> None:
        self.known = images
        self.variables: list[str] | None = None  # of every image
        self.state: dict[str, Any] = dict(STATE)
        self.running: list[FakeContainer] = []
        self.made: list[FakeContainer] = []
        self.on_start: Callable[[FakeContainer], None] = lambda container: None
        self.on_wait: Callable[[FakeContainer, float], None] = lambda container, timeout: None
        self.images = self.containers = self

    def get(self, name: str) -> Any:
        if name not in self.known:
            raise ImageNotFound(name)
        return type("Image", (), {"id": f"sha256:{name}", "attrs": {"Config": {"Env": self.variables}}})

    def create(self, image: str, command: list[str], **options: Any) -> FakeContainer:
        made = FakeContainer(self, f"container-{len(self.made)}", {"image": image, "command": command, **options})
        self.made.append(made)
        self.running.append(made)
        return made

    def list(self, **filters: Any) -> list[FakeContainer]:
        return list(self.running)

    def close(self) -> None:
        pass


def turn(framework: str = "torch", cpus: tuple[int, ...] = ()) -> Turn:
    return Turn(
        cell=cell(framework=framework),
        block=1,
        position=1,
        settings=Settings(rounds=1, warmup_floor_ns=1, warmup_cap_ns=1),
        calls_per_round=None,
        cpus=cpus,
        threads=1,
        hash_seed=17,
        timeout_s=5,
        launcher="docker",
    )


def prepared(engine: FakeEngine, device: str = "cpu", **options: Any) -> DockerLauncher:
    made = DockerLauncher(device, code=ROOT, client=engine, **options)  # type: ignore[arg-type]
    made.prepare(["torch"], lambda line: None)
    engine.made.clear()
    return made


def test_says_which_images_are_missing_and_how_to_build_them() -> None:
    engine = FakeEngine("samestep/torch:cpu")
    launcher = DockerLauncher("cpu", code=ROOT, client=engine)  # type: ignore[arg-type]
    reasons = launcher.prepare(["torch", "jax"], lambda line: None)
    assert reasons == {
        "jax": f"there is no image samestep/jax:cpu: {shell.samestep('build', 'jax', '--device', 'cpu')}"
    }


class Variants:
    """The images of jax@0.9.2 and of jax@0.9.1, which cannot be built."""

    NAMES: ClassVar = {"jax@0.9.2": "samestep/jax:cpu-py311-01234567", "jax@0.9.1": "samestep/jax:cpu-py311-76543210"}

    def __init__(self) -> None:
        self.built: list[str] = []

    def name(self, framework: str) -> str:
        return self.NAMES.get(framework, "")

    def build(self, framework: str, engine: Any, say: Any) -> str:
        self.built.append(framework)
        if framework == "jax@0.9.1":
            return "packages jax: no space"
        engine.known = (*engine.known, self.name(framework))
        return ""


def test_an_image_of_a_variant_is_built_when_it_is_not_there_and_its_turns_run_in_it() -> None:
    engine, variants = FakeEngine("samestep/jax:cpu"), Variants()
    names = ["jax", *Variants.NAMES]

    def begun() -> DockerLauncher:
        launcher = DockerLauncher("cpu", code=ROOT, client=engine, variants=variants)  # type: ignore[arg-type]
        assert launcher.prepare(names, lambda line: None) == {"jax@0.9.1": "packages jax: no space"}
        return launcher

    begun()
    launcher = begun()
    assert variants.built == ["jax@0.9.2", "jax@0.9.1", "jax@0.9.1"]
    engine.made.clear()
    for variant in ("", "0.9.2"):
        of = dataclasses.replace(turn(), cell=cell(framework="jax", variant=variant))
        launcher.take(of, lambda pid, folder: None)
        launcher.member(of)
    images = [container.options["image"] for container in engine.made]
    assert images == ["sha256:samestep/jax:cpu", "sha256:samestep/jax:cpu-py311-01234567"]


def test_tries_one_hardened_container_before_the_run() -> None:
    engine = FakeEngine("samestep/torch:cpu")
    launcher = DockerLauncher("cpu", code=ROOT, client=engine)  # type: ignore[arg-type]
    launcher.prepare(["torch"], lambda line: None)
    (trial,) = engine.made
    assert (trial.options["command"], trial.options["read_only"], trial.done) == (["true"], True, ["start", "wait"])
    assert engine.running == []


def test_runs_a_turn_in_a_hardened_container_of_the_frameworks_image_and_removes_it() -> None:
    engine = FakeEngine("samestep/torch:cpu")
    launcher = prepared(engine, allowance=Allowance(memory="8g", tmp="1g"))
    pids: list[int] = []
    ended = launcher.take(turn(cpus=(1, 3)), lambda pid, folder: pids.append(pid))
    (container,) = engine.made
    options = container.options
    assert (options["image"], options["command"]) == (
        "sha256:samestep/torch:cpu",
        ["python", "-m", "bench", "turn", "/out"],
    )
    assert options["network_mode"] == "none"
    assert options["cap_drop"] == ["ALL"]
    assert options["tmpfs"] == {"/tmp": "exec,mode=1777,size=1g"}
    assert (options["mem_limit"], options["memswap_limit"]) == ("8g", "8g")
    assert options["cpuset_cpus"] == "1,3"
    assert [volume.rpartition(":")[2] for volume in options["volumes"]] == ["ro", "/out"]
    assert options["environment"]["PYTHONHASHSEED"] == "17"
    assert options["environment"]["PYTHONPATH"] == "/samestep"
    assert "device_requests" not in options
    assert pids == [4321]
    assert engine.running == []
    assert (ended.exit_code, ended.wall_ns) == (0, 1_250_000_001)
    assert ended.tail == ("first line", "last line")


def test_a_turn_that_streams_sees_the_data_sets_read_only_and_where_the_host_has_them() -> None:
    engine = FakeEngine("samestep/torch:cpu")
    seen: list[str] = []

    def on_start(container: FakeContainer) -> None:
        seen.append(turn_from_json((container.folder() / "turn.json").read_text(encoding="utf-8")).data)

    launcher = prepared(engine)
    engine.on_start = on_start
    launcher.take(dataclasses.replace(turn(), data="/somewhere/data"), lambda pid, folder: None)
    assert seen == ["/somewhere/data"]
    assert "/somewhere/data:/somewhere/data:ro" in engine.made[-1].options["volumes"]
    launcher.take(turn(), lambda pid, folder: None)
    assert not any("data" in volume for volume in engine.made[-1].options["volumes"])


def test_the_turns_folder_is_open_to_the_container_and_closed_to_everyone_else() -> None:
    engine = FakeEngine("samestep/torch:cpu")
    seen: list[Path] = []

    def write(container: FakeContainer) -> None:
        folder = container.folder()
        seen.append(folder)
        assert folder.stat().st_mode & 0o777 == 0o777
        assert folder.parent.stat().st_mode & 0o777 == 0o700
        written = turn_from_json((folder / "turn.json").read_text())
        assert written.image == "samestep/torch:cpu@sha256:samestep/torch:cpu"
        (folder / "phase").write_text("warmup")
        (folder / "record.json").write_text("the record")

    launcher = prepared(engine)
    engine.on_start = write
    ended = launcher.take(turn(), lambda pid, folder: None)
    assert (ended.phase, ended.record) == ("warmup", "the record")
    assert not seen[0].parent.exists()


def test_asks_for_one_gpu_by_its_name_on_cuda_only() -> None:
    engine = FakeEngine("samestep/torch:cuda")
    launcher = prepared(engine, "cuda", gpu="GPU-5")
    launcher.take(turn(), lambda pid, folder: None)
    (request,) = engine.made[0].options["device_requests"]
    assert (request["DeviceIDs"], request["Capabilities"]) == (["GPU-5"], [["gpu"]])


def test_kills_a_container_at_its_time_limit() -> None:
    engine = FakeEngine("samestep/torch:cpu")
    launcher = prepared(engine)
    clock = iter((0.0, 5.0))

    def hang(container: FakeContainer, timeout: float) -> None:
        if "kill" not in container.done:
            assert timeout == 5
            raise EngineError("Read timed out.")

    engine.on_wait = hang
    engine.state["ExitCode"] = 137
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: next(clock))
        ended = launcher.take(turn(), lambda pid, folder: None)
    assert engine.made[0].done == ["start", "wait", "kill", "wait"]
    assert (ended.timed_out, ended.exit_code, ended.signal) == (True, None, "SIGKILL")
    assert to_record(turn(), ended).status == "timeout"
    assert engine.running == []


def test_says_that_a_container_was_killed_for_memory() -> None:
    engine = FakeEngine("samestep/torch:cpu")
    launcher = prepared(engine)
    engine.state |= {"ExitCode": 137, "OOMKilled": True}
    assert to_record(turn(), launcher.take(turn(), lambda pid, folder: None)).status == "oom"


def test_an_interrupt_removes_the_container_and_goes_on() -> None:
    engine = FakeEngine("samestep/torch:cpu")
    launcher = prepared(engine)

    def interrupt(container: FakeContainer, timeout: float) -> None:
        raise KeyboardInterrupt

    engine.on_wait = interrupt
    with pytest.raises(KeyboardInterrupt):
        launcher.take(turn(), lambda pid, folder: None)
    assert engine.running == []


def test_a_container_that_cannot_be_started_is_a_failed_record_with_the_reason() -> None:
    engine = FakeEngine("samestep/torch:cpu")
    launcher = prepared(engine)

    def refuse(container: FakeContainer) -> None:
        raise APIError("500", explanation="no space left on device")

    engine.on_start = refuse
    record = to_record(turn(), launcher.take(turn(), lambda pid, folder: None))
    assert record.status == "failed"
    assert "The Docker engine's disk is full" in record.reason


def test_stops_when_the_engine_stops() -> None:
    engine = FakeEngine("samestep/torch:cpu")
    launcher = prepared(engine)

    def vanish(container: FakeContainer, timeout: float) -> None:
        raise EngineError("Connection aborted.")

    engine.on_wait = vanish
    with pytest.raises(SetupError, match="The Docker engine stopped during a replicate"):
        launcher.take(turn(), lambda pid, folder: None)


def test_removes_what_a_killed_harness_left_and_nothing_else(tmp_path: Path) -> None:
    engine = FakeEngine("samestep/torch:cpu")
    our_number = owner.name().rpartition("-")[0]
    dead = engine.create("image", [], labels={OWNER: f"{our_number}-1"})
    alive = engine.create("image", [], labels={OWNER: owner.name()})
    for name in ("samestep-1/turn", "precious/turn"):
        (tmp_path / name).mkdir(parents=True)
    mounts = [("samestep-1/turn", "/out"), ("precious/turn", "/out"), ("precious/turn", "/samestep/bench")]
    dead.attrs["Mounts"] = [{"Source": str(tmp_path / name), "Destination": to} for name, to in mounts]
    said: list[str] = []
    launcher = DockerLauncher("cpu", code=ROOT, client=engine)  # type: ignore[arg-type]
    launcher.prepare(["torch"], said.append)
    assert engine.running == [alive]
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
    assert said == [f"removed the container {dead.name} of a samestep that was killed"]


def test_code_that_a_container_could_not_read_is_said_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "turn.py").touch(mode=0o600)
    (tmp_path / "bench").chmod(0o755)
    with pytest.raises(SetupError, match=r"turn.py is not readable for the user of a container: chmod -R o\+rX "):
        docker.check_readable(tmp_path / "bench")


def test_a_trial_that_fails_becomes_one_sentence() -> None:
    engine = FakeEngine("samestep/torch:cuda")

    def refuse(container: FakeContainer) -> None:
        raise APIError("500", explanation='could not select device driver "nvidia" with capabilities: [[gpu]]')

    engine.on_start = refuse
    launcher = DockerLauncher("cuda", code=ROOT, client=engine)  # type: ignore[arg-type]
    with pytest.raises(SetupError, match="install the NVIDIA Container Toolkit"):
        launcher.prepare(["torch"], lambda line: None)
    assert engine.running == []


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("nvidia-container-cli: device error: GPU-9: unknown device: unknown", "There is no GPU 'GPU-9' on this host"),
        (
            "Requested CPUs are not available - requested 7, available: 0-1",
            "Requested CPUs are not available - requested 7, available: 0-1: name others with --cpus.",
        ),
        (
            "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=13.0, please update your driver to a"
            " newer version, or use an earlier cuda container: unknown",
            "The NVIDIA driver of this host is too old for the image, which needs CUDA 13: install driver 580 or newer",
        ),
        (
            "nvidia-container-cli: initialization error: nvml error: driver not loaded: unknown",
            "This host has no NVIDIA driver that answers: ",
        ),
        (
            "nvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1: cannot open shared"
            " object file: no such file or directory: unknown",
            "This host has no NVIDIA driver that answers: ",
        ),
        ("OCI runtime create failed", "The Docker engine refused the container: OCI runtime create failed"),
    ],
)
def test_each_refusal_of_the_engine_has_its_sentence(error: str, sentence: str) -> None:
    assert explain(error, gpu="GPU-9").startswith(sentence)


def test_tells_a_missing_engine_from_a_forbidden_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/none.sock")
    assert docker.why_not(["torch"], "cpu").startswith("No Docker engine answers at unix:///run/none.sock: start it")

    def forbidden(address: str) -> None:
        raise PermissionError

    monkeypatch.setattr(docker, "check_socket", forbidden)
    assert "sudo usermod -aG docker $USER" in docker.why_not(["torch"], "cpu")


def test_why_not_is_empty_where_everything_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "connect", lambda: FakeEngine("samestep/torch:cpu"))
    assert docker.why_not(["torch"], "cpu") == ""
    assert docker.why_not(["torch", "jax", "keras"], "cpu") == (
        "there is no image samestep/jax:cpu, samestep/keras:cpu:"
        f" {shell.samestep('build', 'jax', 'keras', '--device', 'cpu')}"
    )


def test_a_host_name_that_makes_no_sense_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "nonsense://somewhere")
    assert docker.why_not(["torch"], "cpu").startswith("No Docker engine answers at nonsense://somewhere")


def test_of_what_the_image_sets_only_what_a_replicate_needs_reaches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_PERTURB_", "165")
    engine = FakeEngine("samestep/torch:cpu")
    engine.variables = ["PATH=/opt/venv/bin:/bin", "LD_LIBRARY_PATH=/opt/lib", "XLA_FLAGS=x", "NVIDIA_REQUIRE_CUDA=y"]
    prepared(engine).take(dataclasses.replace(turn(), named=("NAMED=1",)), lambda pid, folder: None)
    given = engine.made[0].options["environment"]
    assert (given["PATH"], given["LD_LIBRARY_PATH"], given["NAMED"]) == ("/opt/venv/bin:/bin", "/opt/lib", "1")
    assert (given["HOME"], given["TMPDIR"], given["LC_ALL"]) == ("/tmp", "/tmp", "C.UTF-8")
    # A variable without a value is one that the engine takes out; NVIDIA's runtime has to see its own.
    assert {name for name, value in given.items() if value is None} == {"XLA_FLAGS", "HOSTNAME"}
    assert given["NVIDIA_REQUIRE_CUDA"] == "y"
    assert "MALLOC_PERTURB_" not in given
