"""compose.yaml, as Compose itself reads it: the services, their hardening, what the variables choose."""

import functools
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench.catalogue import catalogue, framework_offer, packages_of
from harness.doctor.adding import BATCH
from harness.doctor.survey import output
from harness.environments import locks
from harness.launchers import images
from harness.launchers.docker import image_name
from harness.launchers.hardening import CODE, DATA, Allowance, harden
from harness.launchers.workers import ADDRESS
from harness.plan import models, selection
from harness.plan.capacity import bytes_of
from harness.plan.profiles import PROFILES
from harness.plan.selection import Selection

ROOT = Path(__file__).parents[3]
FRAMEWORKS = tuple(
    name for name in locks.asked_for("cpu") if name in locks.asked_for("cuda")
)  # the others are left out
CPU = ("--env-file", str(ROOT / "images" / "cpu.env"))
ERAS = {name for name in FRAMEWORKS if framework_offer(name).exhibit}
# the others run models, or are of the past, where that is asked
TRAINING = {name for name in FRAMEWORKS if framework_offer(name).trains} - ERAS
GPU = [{"capabilities": ["gpu"], "driver": "nvidia", "device_ids": ["GPU-7"]}]

pytestmark = pytest.mark.skipif(
    not output(["docker", "compose", "version"]), reason="docker compose is not there to read compose.yaml"
)


@functools.cache
def project(*words: str, **variables: str) -> dict[str, Any]:
    """The project as Compose resolves it with these words and variables, and no other variable of ours."""
    ours = ("SAMESTEP_", "COMPOSE_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(
        ["docker", "compose", "--project-directory", str(ROOT), *words, "config", "--format", "json"],
        env={**inherited, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def services(**variables: str) -> dict[str, dict[str, Any]]:
    """Every service."""
    found: dict[str, dict[str, Any]] = project("--profile", "*", **variables)["services"]
    return found


def begun(*words: str, **variables: str) -> set[str]:
    """The services that `docker compose up` builds and starts."""
    return set(project(*words, **variables)["services"])


def test_there_is_one_worker_per_framework_and_the_harness_and_a_look_at_the_host() -> None:
    assert set(services()) == {*FRAMEWORKS, "harness", "gpu"}
    for name in FRAMEWORKS:
        worker = services()[name]
        command = ["python", "-m", "bench", "worker", str(ADDRESS), name]
        assert [*worker["entrypoint"], *worker["command"]] == command
        assert worker["build"]["args"]["FRAMEWORK"] == packages_of(name)
    waits = services()["harness"]["depends_on"]
    assert set(waits) == set(FRAMEWORKS)
    assert {str(each) for each in waits.values()} == {str({"condition": "service_started", "required": False})}


@pytest.mark.parametrize(
    ("variables", "frameworks"),
    [
        ({"SAMESTEP_FRAMEWORK": "torch,jax"}, {"torch", "jax"}),
        ({"SAMESTEP_FRAMEWORK": "torch, jax"}, {"torch", "jax"}),
        ({"SAMESTEP_FRAMEWORK": "torch", "SAMESTEP_PROFILE": "default", "SAMESTEP_MODE": "compile"}, {"torch"}),
        ({"SAMESTEP_FRAMEWORK": "flax", "SAMESTEP_RESUME": "latest"}, {"flax"}),
        ({"SAMESTEP_FRAMEWORK": "onnxruntime"}, {"onnxruntime", "torch", "keras_tensorflow", "jax", "flax"}),
        ({"SAMESTEP_FRAMEWORK": "pytorch"}, set()),  # the harness says so
        ({"SAMESTEP_FRAMEWORK": ""}, set(PROFILES["look"].modes)),
        ({}, set(PROFILES["look"].modes)),
        ({"SAMESTEP_WORKLOAD": "mlp"}, set(PROFILES["look"].modes)),
        ({"SAMESTEP_FRAMEWORK": "aotinductor"}, {"aotinductor", "torch"}),
        ({"SAMESTEP_FRAMEWORK": "saved_model"}, {"saved_model", "tensorflow", "keras_tensorflow"}),
        ({"SAMESTEP_MODE": "jit"}, TRAINING),  # which is looked for in all
        ({"SAMESTEP_BATCH": "256"}, set(FRAMEWORKS) - ERAS),
        ({"SAMESTEP_ERA": "all"}, {*PROFILES["look"].modes} | ERAS),
        ({"SAMESTEP_FRAMEWORK": "theano"}, {"theano"}),
        ({"SAMESTEP_BATCH": "1", "SAMESTEP_FRAMEWORK": "torch,torchscript"}, {"torch", "torchscript"}),
        ({"SAMESTEP_RESUME": "latest"}, set(FRAMEWORKS)),
        *(({"SAMESTEP_PROFILE": name}, set(one.modes) or TRAINING) for name, one in PROFILES.items()),
    ],
)
@pytest.mark.parametrize("words", [(), CPU])
def test_only_what_is_asked_for_is_built_and_started(
    words: tuple[str, ...], variables: dict[str, str], frameworks: set[str]
) -> None:
    assert begun(*words, **variables) == {*frameworks, "harness", *([] if words else ["gpu"])}


@pytest.mark.parametrize("of_ours", [".env", "images/cpu.env"])
def test_an_environment_file_of_the_users_chooses_as_the_shell_does(of_ours: str, tmp_path: Path) -> None:
    (tmp_path / "mine.env").write_text("SAMESTEP_FRAMEWORK=flax\n")
    words = ("--env-file", str(tmp_path / "mine.env"), "--env-file", str(ROOT / of_ours))
    assert begun(*words) - {"gpu"} == {"flax", "harness"}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_framework_is_begun_with_those_that_export_the_models_it_runs(framework: str) -> None:
    sources = {mode.source for mode in framework_offer(framework).modes if mode.source}
    profiles = {name: set(services()[name]["profiles"]) for name in FRAMEWORKS}
    assert {name for name in FRAMEWORKS if framework in profiles[name]} == {framework, *sources}


def test_a_cell_needs_no_framework_that_is_not_begun() -> None:
    """Compose is told by names alone; the plan of samestep decides which frameworks those names need."""
    offer = catalogue()
    for profile in PROFILES.values():
        for names in ((), ("onnxruntime",), ("torch", "jax"), ("saved_model",)):
            cells = selection.cells(offer, Selection(framework=names), profile, "cuda")
            variables = {"SAMESTEP_PROFILE": profile.name, **({"SAMESTEP_FRAMEWORK": ",".join(names)} if names else {})}
            assert set(models.needed(offer.frameworks, cells)) <= begun(**variables)


def test_no_framework_and_no_profile_have_one_name() -> None:
    assert not {*FRAMEWORKS, "harness"} & {*PROFILES, "cuda", "cpu", BATCH, "eras"}


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_images_build_on_what_the_locks_build_on(device: str) -> None:
    found = services(SAMESTEP_DEVICE=device)
    assert {name: found[name]["build"]["args"].get("PARENT", "") for name in FRAMEWORKS} == {
        name: images.parent(name, device=device) for name in FRAMEWORKS
    }


def test_images_are_given_the_programs_that_the_frameworks_files_name() -> None:
    found = services()
    assert {name: found[name]["build"]["args"].get("SYSTEM_PACKAGES", "") for name in FRAMEWORKS} == {
        name: images.system_packages(name, device="cpu") for name in FRAMEWORKS
    }


def test_images_demand_the_driver_that_their_locks_need() -> None:
    found = services()
    assert {name: found[name]["build"]["args"].get("REQUIRE_CUDA", "") for name in FRAMEWORKS} == {
        name: images.require_cuda(name, device="cuda") for name in FRAMEWORKS
    }


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_images_are_called_as_the_docker_launcher_calls_them(device: str) -> None:
    found = services(SAMESTEP_DEVICE=device)
    assert {name: found[name]["image"] for name in FRAMEWORKS} == {
        name: image_name(name, device=device) for name in FRAMEWORKS
    }
    assert {service["build"]["args"]["DEVICE"] for service in found.values()} == {device}


def test_workers_are_hardened_as_the_docker_launchers_containers_are() -> None:
    table = harden(Allowance(memory="3g", tmp="1g", cpus="2,3"))
    for name in FRAMEWORKS:
        worker = services(SAMESTEP_MEMORY="3g", SAMESTEP_TMP="1g", SAMESTEP_CPUS="2,3")[name]
        assert worker["user"] == table.user
        assert worker["network_mode"] == table.network_mode
        assert worker["read_only"] is table.read_only
        assert worker["init"] is table.init
        assert worker["pids_limit"] == table.pids_limit
        assert worker["cpuset"] == table.cpuset_cpus
        assert tuple(worker["cap_drop"]) == table.cap_drop
        assert tuple(worker["security_opt"]) == table.security_opt
        assert worker["tmpfs"] == [f"{path}:{options}" for path, options in table.tmpfs.items()]
        assert worker["environment"] == table.environment
        assert worker["mem_limit"] == worker["memswap_limit"] == str(3 << 30)
        assert not worker.get("cap_add")
        assert not worker.get("pid")


def test_the_defaults_of_the_variables_are_the_docker_launchers() -> None:
    plain = harden(Allowance())
    worker = services()["torch"]
    assert worker["mem_limit"] == str(int(plain.mem_limit.removesuffix("g")) << 30)
    assert worker["tmpfs"] == [f"{path}:{options}" for path, options in plain.tmpfs.items()]


def test_the_harness_knows_how_much_memory_a_worker_has() -> None:
    for variables in ({}, {"SAMESTEP_MEMORY": "3g"}):
        found = services(**variables)
        told = bytes_of(found["harness"]["environment"]["SAMESTEP_MEMORY"])
        assert {str(told)} == {found[name]["mem_limit"] for name in FRAMEWORKS}


def test_a_worker_can_write_no_mount() -> None:
    for name in FRAMEWORKS:
        mounts = services()[name]["volumes"]
        assert {mount["target"] for mount in mounts} == {f"{CODE}/bench", "/run/samestep", DATA}
        assert all(mount["read_only"] for mount in mounts)


def test_a_worker_comes_back_after_a_crash_and_rests_after_goodbye() -> None:
    assert {services()[name]["restart"] for name in FRAMEWORKS} == {"on-failure"}
    assert "restart" not in services()["harness"]


def test_the_harness_can_write_the_results_and_become_their_owner_and_no_more() -> None:
    harness = services()["harness"]
    writable = [mount["target"] for mount in harness["volumes"] if not mount.get("read_only")]
    assert writable == [f"{CODE}/results", "/run/samestep", DATA]
    assert (harness["cap_drop"], sorted(harness["cap_add"])) == (["ALL"], ["SETGID", "SETUID"])
    assert harness["network_mode"] == "none"
    assert harness["read_only"] is True
    assert harness["security_opt"] == ["no-new-privileges:true"]


def test_the_harness_alone_sees_the_hosts_processes_and_only_with_a_gpu() -> None:
    seen = {name for name, service in services().items() if service.get("pid")}
    assert (seen, services()["harness"]["pid"]) == ({"harness"}, "host")
    assert not [name for name, service in services(SAMESTEP_DEVICE="cpu").items() if service.get("pid")]


def test_the_look_at_the_host_needs_no_gpu_and_comes_before_what_does() -> None:
    found = services()
    gpu = found["gpu"]
    assert "deploy" not in gpu
    assert (gpu["cap_drop"], gpu["network_mode"], gpu["read_only"]) == (["ALL"], "none", True)
    assert all(mount["read_only"] for mount in gpu["volumes"])
    assert gpu["image"] == found["harness"]["image"]
    for name in FRAMEWORKS:
        assert found[name]["depends_on"] == {"gpu": {"condition": "service_started", "required": False}}


def test_no_service_is_privileged_or_sees_an_engine() -> None:
    for service in services().values():
        assert not service.get("privileged")
        assert not service.get("ports")
        assert not any("docker.sock" in json.dumps(mount) for mount in service["volumes"])


def test_the_variable_names_the_one_gpu_that_every_service_gets() -> None:
    for name, service in services(SAMESTEP_GPU="GPU-7").items():
        if name != "gpu":
            assert service["deploy"]["resources"]["reservations"]["devices"] == GPU


def test_the_cpu_variant_asks_for_no_gpu_and_one_processor() -> None:
    variables = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / "images" / "cpu.env").read_text(), re.MULTILINE))
    for name, service in project(*CPU, "--profile", "*")["services"].items():
        assert "reservations" not in service.get("deploy", {}).get("resources", {})
        assert service["build"]["args"]["BASE_IMAGE"] == variables["BASE_IMAGE"]
        assert service.get("cpuset") == (None if name in ("harness", "gpu") else "1")


def test_what_was_selected_reaches_the_harness() -> None:
    variables = {
        "SAMESTEP_THREADS": "1", "SAMESTEP_TIMEOUT": "9", "SAMESTEP_BLOCKS": "2", "SAMESTEP_ALLOW_SHARED_GPU": "1",
        "SAMESTEP_ALTERNATE": "0", "SAMESTEP_ENV": "A='1 2' B=3", "SAMESTEP_FRAMEWORK": "torch,jax",
        "SAMESTEP_WORKLOAD": "regression", "SAMESTEP_MODE": "eager", "SAMESTEP_OPTIMIZER": "sgd",
        "SAMESTEP_SIZE": "base", "SAMESTEP_PRECISION": "float32", "SAMESTEP_ALLOCATOR": "default",
        "SAMESTEP_BATCH": "1", "SAMESTEP_MEASURE": "memory", "SAMESTEP_SEED": "7", "SAMESTEP_RESUME": "latest",
        "SAMESTEP_PROFILE": "default", "SAMESTEP_CPUS": "5", "SAMESTEP_COMMIT": "abc",
    }  # fmt: skip
    environment = services(**variables)["harness"]["environment"]
    assert variables.items() <= environment.items()
    unset = services()["harness"]["environment"]
    assert unset["SAMESTEP_PROFILE"] == next(iter(PROFILES)) == "look"
    assert [unset[name] for name in list(variables)[:17]] == [None] * 17


def test_a_folder_of_wheels_replaces_the_empty_one() -> None:
    def chosen(**variables: str) -> dict[str, str]:
        found: dict[str, str] = services(**variables)["torch"]["build"]["additional_contexts"]
        return found

    assert chosen(PIP_FIND_LINKS="")["wheelhouse"] == "docker-image://scratch"
    assert chosen(PIP_FIND_LINKS="/pip")["wheelhouse"] == "/pip"
    assert chosen(PIP_FIND_LINKS="/pip", SAMESTEP_WHEELHOUSE="/wheels")["wheelhouse"] == "/wheels"


def test_an_older_python_is_an_image_or_a_folder_of_this_host() -> None:
    found = services(SAMESTEP_PYTHON27="/pyenv/2.7.18")["tensorflow0"]["build"]
    assert found["args"]["GUEST"] == "python27"
    contexts = {name: value for name, value in found["additional_contexts"].items() if name != "wheelhouse"}
    assert contexts.pop("python27") == "/pyenv/2.7.18"
    assert contexts == {}  # the engine would fetch the image of each
    assert services()["theano"]["build"]["additional_contexts"]["python37"] == "docker-image://python:3.7-slim"
    assert list(services()["numpy"]["build"]["additional_contexts"]) == ["wheelhouse"]
