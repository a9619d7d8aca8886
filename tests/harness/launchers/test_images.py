"""The images: what the Dockerfile promises, how a build is asked for, how its progress and its failures are told."""

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import ImageNotFound
from typer.testing import CliRunner

from bench.catalogue import framework_offer, libraries, packages_of
from bench.frameworks import FRAMEWORKS
from harness import cli
from harness.environments import cuda, guests, locks, npm
from harness.errors import SetupError
from harness.launchers import images
from harness.launchers.docker import image_name
from harness.launchers.images import HARNESS, RECIPE, BuildLog

DOCKERFILE = (locks.ROOT / "images" / "Dockerfile").read_text()
BASES = {stage: base for base, stage in re.findall(r"^FROM (\S+) AS (\w+)$", DOCKERFILE, re.MULTILINE)}
ASKED = [(device, name) for device in locks.PYTHONS for name in locks.asked_for(device)]
USUAL = tuple(name for name in locks.asked_for("cpu") if not framework_offer(name).exhibit)
CPU = {"BASE_IMAGE": "debian:bookworm"}

COMPILED = """\
#5 [torch 1/3] RUN --mount=type=bind,from=tools,target=/opt/tools sh /opt/tools/recipe.sh compiler
#5 CACHED
#6 [torch 3/3] RUN --mount=type=bind,from=tools,target=/opt/tools sh /opt/tools/recipe.sh packages torch
#6 0.5 Collecting torch
#6 9.5 Installing torch
"""


class Engine:
    """An engine that has some images, by name, with their labels."""

    def __init__(self, **labels: Mapping[str, str]) -> None:
        self.labels = {f"samestep/{name}:cpu": dict(found) for name, found in labels.items()}
        self.identities = {name: f"sha256:{name}" for name in self.labels}
        self.removed: list[str] = []
        self.images = self

    def get(self, name: str) -> Any:
        if name not in self.labels:
            raise ImageNotFound(name)
        return SimpleNamespace(id=self.identities[name], labels=self.labels[name], attrs={"Size": 1_500_000_000})

    def remove(self, identity: str) -> None:
        self.removed.append(identity)


class Buildx:
    """A Docker command line whose builds print what they are told to, and fail where they are given an ending."""

    def __init__(self, engine: Engine, prints: str = "", ends: Mapping[str, str] | None = None) -> None:
        self.engine = engine
        self.prints = prints
        self.ends = ends or {}
        self.commands: list[Sequence[str]] = []

    def __call__(self, command: Sequence[str], on_line: Callable[[str], None]) -> int:
        self.commands.append(command)
        if command[:3] != ["docker", "buildx", "build"]:
            return 0
        framework = command[command.index("--tag") + 1].split("/")[1].split(":")[0]
        for line in (self.prints + self.ends.get(framework, "")).splitlines():
            on_line(line)
        if framework in self.ends:
            return 1
        self.engine.labels[f"samestep/{framework}:cpu"] = {}
        self.engine.identities[f"samestep/{framework}:cpu"] = "sha256:new"
        return 0


def build(engine: Engine, buildx: images.RunCommand, *frameworks: str) -> tuple[list[str], Mapping[str, str]]:
    lines: list[str] = []
    client: Any = engine
    return lines, images.build(frameworks, "cpu", lines.append, environ=CPU, run=buildx, client=client)


def reason(log: str) -> str:
    read = BuildLog(lambda step: None)
    for line in log.splitlines():
        read.read(line)
    return read.reason()


@pytest.mark.parametrize(("device", "framework"), ASKED)
def test_an_image_builds_on_the_one_that_its_lock_builds_on(device: str, framework: str) -> None:
    expected = locks.parent(locks.ROOT, framework, device) or "python"
    found = images.parent(framework, device=device)
    owner = packages_of(framework)  # an engine in another framework's packages runs in its image
    assert (found or BASES[owner]) == expected
    assert expected in BASES  # so that its layer is shared
    assert (found == "") == (owner in BASES)


def test_an_engine_in_anothers_packages_runs_in_its_image_which_is_built_once() -> None:
    assert image_name("aotinductor", device="cpu") == image_name("torch", device="cpu") == "samestep/torch:cpu"
    assert images.recipe("aotinductor", device="cpu") == images.recipe("torch", device="cpu")
    engine = Engine()
    ending = "#6 9.9 ERROR: hash mismatch\n#6 ERROR: process did not complete\n"
    lines, failed = build(engine, Buildx(engine, COMPILED, {"torch": ending}), "torchscript", "torch", "jax_export")
    assert lines[0] == "Image 1 of 2: torch …"
    assert lines[-1].startswith("Image 2 of 2: jax built")
    assert failed == dict.fromkeys(("torchscript", "torch"), "[torch 3/3] packages torch: ERROR: hash mismatch")
    engine_of_jax: Any = Engine(jax={RECIPE: images.recipe("jax", device="cpu")})
    assert images.ready("jax_export", device="cpu", client=engine_of_jax)


def test_a_stage_of_the_dockerfile_is_for_what_others_build_on() -> None:
    parents = {locks.parent(locks.ROOT, name, device) for device, name in ASKED}
    assert set(BASES) & set(FRAMEWORKS) <= parents - {None}
    assert (BASES["framework"], BASES["harness"]) == ("${PARENT:-numpy}", "python")


def test_what_builds_on_a_framework_without_a_stage_gets_the_nearest_that_has_one(tmp_path: Path) -> None:
    (tmp_path / "images" / "cpu").mkdir(parents=True)
    (tmp_path / "images" / "Dockerfile").write_text(DOCKERFILE)
    for name, asked in (("jax", "-r bench.in"), ("flax", "-r jax.in"), ("toy", "-r flax.in"), ("alone", "-r bench.in")):
        (tmp_path / "images" / f"{name}.in").write_text(asked)
    assert [images.parent(name, device="cpu", root=tmp_path) for name in ("jax", "flax", "toy", "alone")] == [
        "",
        "jax",
        "jax",
        "numpy",
    ]


def test_each_stage_installs_its_own_lock() -> None:
    for framework in (set(BASES) & set(FRAMEWORKS)) | {"${FRAMEWORK}"}:
        name = framework.replace("${FRAMEWORK}", "framework")
        stage = DOCKERFILE.split(f" AS {name}\n")[1].partition("\nFROM")[0]
        assert name == "numpy" or f"COPY locks/{framework}.${{DEVICE}}-*.txt " in stage
        assert f"recipe.sh packages {framework}\n" in stage
    assert "recipe.sh packages harness\n" in DOCKERFILE


def test_packages_for_node_have_a_stage_of_their_own_and_lie_beside_those_for_python(
    tmp_path: Path,
) -> None:
    """npm with its hundreds of packages is in no image; a framework without a guest has neither."""
    of_npm, framework = (DOCKERFILE.split(f" AS {name}\n")[1].partition("\nFROM")[0] for name in ("npm", "framework"))
    assert "recipe.sh node_packages ${FRAMEWORK}\n" in of_npm
    assert "from=npm" in framework
    assert "recipe.sh node_modules\n" in framework
    assert "apt_install npm" in (locks.ROOT / "images" / "recipe.sh").read_text(encoding="utf-8")
    shutil.copytree(locks.ROOT / "images", tmp_path / "images")
    lock = npm.lock_file(tmp_path, "onnxruntime_node")
    before = [images.recipe(name, device="cpu", root=tmp_path) for name in ("onnxruntime_node", "numpy")]
    lock.write_text(lock.read_text(encoding="utf-8") + " ", encoding="utf-8")
    after = [images.recipe(name, device="cpu", root=tmp_path) for name in ("onnxruntime_node", "numpy")]
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, True]


def test_an_older_python_of_a_guest_comes_from_its_context_and_from_an_image_without(tmp_path: Path) -> None:
    stages = dict(re.findall(r"^FROM (\S+) AS (python\d\d|guest)$", DOCKERFILE, re.MULTILINE))
    assert stages.pop("${GUEST}") == "guest"
    assert stages == {f"python:{name[6]}.{name[7]}-slim": name for name in stages.values()}
    asked = {name: guests.context(locks.ROOT, name) for name in FRAMEWORKS}
    assert {context for context in asked.values() if context} <= set(stages.values())
    framework = DOCKERFILE.split(" AS framework\n")[1].partition("\nFROM")[0]
    assert "from=guest,target=/guest" in framework
    assert "recipe.sh guest ${FRAMEWORK}\n" in framework
    environ = {**CPU, "SAMESTEP_PYTHON37": str(tmp_path)}
    told = {name: images.command(name, device="cpu", root=locks.ROOT, environ=environ) for name in ("theano", "numpy")}
    assert {"GUEST=python37", f"python37={tmp_path}"} <= set(told["theano"])
    assert not [word for word in told["numpy"] if "python37" in word]
    before = images.recipe("theano", device="cpu")
    shutil.copytree(locks.ROOT / "images", tmp_path / "images")
    (lock,) = guests.files(tmp_path, "theano")
    lock.write_text(lock.read_text(encoding="utf-8") + " ", encoding="utf-8")
    assert images.recipe("theano", device="cpu", root=tmp_path) != before


def test_a_stage_installs_the_programs_that_its_framework_names_and_the_generic_one_those_it_is_given() -> None:
    installed = {}
    for stage in DOCKERFILE.split("\nFROM ")[1:]:
        if found := re.search(r"recipe\.sh programs (.*)$", stage, re.MULTILINE):
            installed[stage.split()[2]] = found[1].split()
    named = {name: [package for _, package in framework_offer(name).programs] for name in set(BASES) & set(FRAMEWORKS)}
    assert installed == {"framework": ["${SYSTEM_PACKAGES}"]} | {name: found for name, found in named.items() if found}


@pytest.mark.parametrize(("device", "framework"), ASKED)
def test_what_the_stage_below_has_is_not_installed_again(device: str, framework: str) -> None:
    base = images.parent(framework, device=device)
    own, there = (
        {*(package for _, package in framework_offer(name).programs), *libraries(name).values()}
        if name in FRAMEWORKS
        else set()
        for name in (framework, base)
    )
    assert set(images.system_packages(framework, device=device).split()) == (own - there if base else set())


def test_the_programs_of_a_framework_and_of_those_below_it_are_handed_to_its_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "Dockerfile").write_text(DOCKERFILE)
    for name, asked in (("mine", "-r other.in"), ("other", "-r torch.in"), ("torch", "-r bench.in")):
        (tmp_path / "images" / f"{name}.in").write_text(asked)
    programs = {"mine": {"clang": "clang"}, "other": {"ld.lld": "lld", "g++": "g++"}, "torch": {"g++": "g++"}}
    monkeypatch.setattr(images, "FRAMEWORKS", tuple(programs))
    monkeypatch.setattr(images, "framework_offer", lambda name: SimpleNamespace(programs=tuple(programs[name].items())))
    monkeypatch.setattr(images, "libraries", lambda name: {"liba.so.1": f"lib{name}1"} if name != "torch" else {})

    assert images.system_packages("mine", device="cpu", root=tmp_path) == "clang libmine1 lld libother1"
    assert images.system_packages("torch", device="cpu", root=tmp_path) == ""
    assert images.system_packages(HARNESS, device="cpu", root=tmp_path) == ""


def test_the_images_hold_dependencies_only_and_run_as_nobody_in_particular() -> None:
    assert {line.split()[1].split("/")[0] for line in DOCKERFILE.splitlines() if line.startswith("COPY")} == {
        "locks",
        "recipe.sh",
    }
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["65532:65532"]
    assert DOCKERFILE.index("\nUSER ") > DOCKERFILE.rindex("FROM")


def test_the_labels_are_of_the_oci_kind() -> None:
    for name in ("title", "source", "version", "revision", "base.name"):
        assert f"org.opencontainers.image.{name}=" in DOCKERFILE


@pytest.mark.parametrize("framework", [*locks.asked_for("cuda"), HARNESS])
def test_an_image_demands_the_driver_that_its_lock_needs(framework: str) -> None:
    stage = images.parent(framework, device="cuda") or locks.packages(locks.ROOT, framework)
    stages = {found.split()[2]: found for found in re.split(r"\nFROM ", DOCKERFILE)[1:] if " AS " in found[:80]}
    demanded = images.require_cuda(framework, device="cuda")
    while not demanded:
        demanded = dict(re.findall(r'(NVIDIA_REQUIRE_CUDA)="(.*?)"', stages[stage])).get("NVIDIA_REQUIRE_CUDA", "")
        stage = BASES[stage]
    assert demanded == cuda.requirement(framework)


def test_a_framework_whose_cuda_is_not_that_of_the_stage_below_says_so_in_its_build() -> None:
    command = images.command("onnxruntime", device="cpu", root=locks.ROOT, environ=CPU)
    assert "REQUIRE_CUDA=cuda>=13.0" in command
    assert not [
        word for word in images.command("flax", device="cpu", root=locks.ROOT, environ=CPU) if "REQUIRE" in word
    ]


def test_what_a_build_prints_for_a_terminal_is_said_as_text() -> None:
    engine = Engine()
    ending = (
        "#6 9.1 \x1b[31merror\x1b[39m\x1b[0m: Failed to fetch \x1b[36mtorch\x1b[39m\x1b]0;title\x07\n"
        "#6 9.2 caf\udce9 \x9b2J\u202egnp\n#6 ERROR: process did not complete\n"
    )
    lines, failed = build(engine, Buildx(engine, COMPILED, {"torch": ending}), "torch")
    said = "\n".join([*lines, *failed.values()])
    assert "    error: Failed to fetch torch" in said.splitlines()
    assert all(line.isprintable() for line in said.splitlines())


def test_a_step_is_named_by_what_it_does_however_many_mounts_come_before() -> None:
    mounts = "--mount=type=cache,target=/var/cache/apt,sharing=locked " * 20
    log = f"#6 [torch 3/3] RUN {mounts}sh /opt/tools/recipe.sh packages torch\n#6 1.0 {'x' * 900}\n#6 ERROR: process\n"
    assert reason(log).startswith("[torch 3/3] packages torch: xxx")
    assert len(reason(log)) < 600


def test_a_builds_bytes_that_are_no_text_are_shown() -> None:
    lines: list[str] = []
    assert images.run(["sh", "-c", r"printf 'caf\351\n'"], lines.append) == 0
    assert lines == ["caf\ufffd"]


def test_pytorchs_page_is_the_same_for_images_as_for_local_environments() -> None:
    assert locks.CPU_TORCH_PAGE in (locks.ROOT / "images" / "recipe.sh").read_text()


@pytest.mark.parametrize(
    ("device", "environ", "expected"),
    [
        ("cuda", {}, "ubuntu:24.04"),
        ("cpu", {}, "debian:bookworm-slim"),
        ("cpu", {"BASE_IMAGE": "ubuntu:24.04"}, "ubuntu:24.04"),
    ],
)
def test_the_base_image_is_the_devices_own_unless_named(device: str, environ: dict[str, str], expected: str) -> None:
    assert images.base_image(device, environ) == expected


def test_the_command_names_all_that_the_dockerfile_asks_for(tmp_path: Path) -> None:
    environ = {**CPU, "PIP_INDEX_URL": "mirror", "SAMESTEP_WHEELHOUSE": str(tmp_path)}
    command = images.command("torch", device="cpu", root=locks.ROOT, environ=environ)
    given = {word.partition("=")[0]: word.partition("=")[2] for word in command if re.match(r"[A-Z_]+=", word)}
    asked = set(re.findall(r"^ARG (\w+)", DOCKERFILE, re.MULTILINE))
    assert given.keys() == asked - {
        "PIP_NO_INDEX",
        "NPM_CONFIG_REGISTRY",
        "SYSTEM_PACKAGES",
        "REQUIRE_CUDA",
        "GUEST",
        "STAGE",
    }  # all but the last only where there are any, that never
    assert (given["FRAMEWORK"], given["DEVICE"], given["BASE_IMAGE"]) == ("torch", "cpu", "debian:bookworm")
    assert given["RECIPE"] == images.recipe("torch", device="cpu")
    assert given["PARENT"] == ""
    assert "PARENT=torch" in images.command("lightning", device="cpu", root=locks.ROOT, environ=environ)
    assert command[command.index("--tag") + 1] == "samestep/torch:cpu"
    assert command[command.index("--build-context") + 1] == f"wheelhouse={tmp_path}"


def test_a_folder_that_pip_was_told_of_is_the_wheelhouse_when_it_holds_the_torch_of_the_cpu(tmp_path: Path) -> None:
    environ = {"PIP_FIND_LINKS": str(tmp_path), "HOME": str(tmp_path)}
    assert images.wheelhouse("cpu", environ) != str(tmp_path)
    (tmp_path / "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl").write_text("")
    assert images.wheelhouse("cpu", environ) == str(tmp_path)
    assert images.wheelhouse("cuda", environ) == ""


def test_the_recipe_follows_the_lock_of_the_framework_alone(tmp_path: Path) -> None:
    (tmp_path / "images" / "locks").mkdir(parents=True)
    for name in (
        "Dockerfile",
        "recipe.sh",
        "locks/torch.cpu-py311.txt",
        "locks/jax.cpu-py311.txt",
        "locks/harness.txt",
    ):
        (tmp_path / "images" / name).write_text(name)
    before = {name: images.recipe(name, device="cpu", root=tmp_path) for name in ("torch", "jax", HARNESS)}
    (tmp_path / "images" / "locks" / "jax.cpu-py311.txt").write_text("new")
    after = {name: images.recipe(name, device="cpu", root=tmp_path) for name in before}
    assert [name for name in before if before[name] != after[name]] == ["jax"]
    (tmp_path / "images" / "locks" / "torch.cuda-py312.txt").write_text("nvidia-cuda-runtime==13.0.96")
    newer = {name: images.recipe(name, device="cpu", root=tmp_path) for name in before}
    assert [name for name in before if newer[name] != after[name]] == ["torch"]  # it demands another driver


def test_an_image_is_ready_when_it_is_there_and_of_the_present_recipe() -> None:
    engine: Any = Engine(torch={RECIPE: images.recipe("torch", device="cpu")}, jax={RECIPE: "older"}, fastai={})
    assert images.ready("torch", device="cpu", client=engine)
    assert not images.ready("jax", device="cpu", client=engine)
    assert images.ready("fastai", device="cpu", client=engine)  # compose built it
    assert not images.ready("numpy", device="cpu", client=engine)


def test_progress_names_the_framework_and_the_steps_that_are_not_cached() -> None:
    engine = Engine()
    lines, failed = build(engine, Buildx(engine, COMPILED), "torch", "fastai")
    assert lines == [
        "Image 1 of 2: torch …",
        "Image 1 of 2: torch: [torch 3/3] packages torch …",
        "Image 1 of 2: torch built in 0 s, 1.5 GB with the layers that it shares",
        "Image 2 of 2: fastai …",
        "Image 2 of 2: fastai: [torch 3/3] packages torch …",
        "Image 2 of 2: fastai built in 0 s, 1.5 GB with the layers that it shares",
    ]
    assert failed == {}


def test_the_image_that_lost_its_name_is_removed_and_one_that_stays_the_same_is_not() -> None:
    engine = Engine(torch={})
    build(engine, Buildx(engine), "torch")
    assert engine.removed == ["sha256:samestep/torch:cpu"]
    build(engine, Buildx(engine), "torch")
    assert len(engine.removed) == 1


def test_a_build_that_fails_says_step_and_last_lines_and_the_others_go_on() -> None:
    engine = Engine()
    ending = "#6 9.9 ERROR: hash mismatch\n#6 ERROR: process did not complete\nERROR: failed to solve: process\n"
    lines, failed = build(engine, Buildx(engine, COMPILED, {"torch": ending}), "torch", "jax")
    assert failed == {"torch": "[torch 3/3] packages torch: ERROR: hash mismatch"}
    assert "    ERROR: hash mismatch" in "\n".join(lines).splitlines()
    assert lines[-1].startswith("Image 2 of 2: jax built")


@pytest.mark.parametrize(
    ("typed", "variable", "expected"),
    [
        (["torch", "jax"], None, ("torch", "jax")),
        (["torch,jax", "torch"], None, ("torch", "jax")),
        ([], "torch, jax", ("torch", "jax")),
        (["flax"], "torch, jax", ("flax",)),
        (["harness"], None, ("harness",)),
        ([], "", USUAL),
        ([], None, USUAL),
    ],
)
def test_only_what_is_named_is_built(
    typed: list[str], variable: str | None, expected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []

    def remember(frameworks: Sequence[str], device: str, say: object) -> Mapping[str, str]:
        asked.append(tuple(frameworks))
        return {}

    monkeypatch.setattr(images, "build", remember)
    done = CliRunner().invoke(cli.app, ["build", *typed], env={"SAMESTEP_FRAMEWORK": variable})
    assert (done.exit_code, asked) == (0, [expected])


def test_without_buildx_nothing_is_tried() -> None:
    with pytest.raises(SetupError, match="docker-buildx"):
        build(Engine(), lambda command, on_line: 1, "torch")


def test_without_the_base_image_nothing_else_is_tried() -> None:
    engine = Engine()
    ending = "ERROR: failed to solve: debian:bookworm: failed to resolve source metadata for debian:bookworm: no host\n"
    buildx = Buildx(engine, ends={"torch": ending})
    with pytest.raises(SetupError, match=r"base image debian:bookworm is not there .* BASE_IMAGE"):
        build(engine, buildx, "torch", "jax")
    assert len(buildx.commands) == 2  # is there a Buildx, and one build


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (
            "#6 [numpy 1/1] RUN recipe.sh packages numpy\n#6 1.0 OSError: No space left on device\n#6 ERROR: process",
            "[numpy 1/1] packages numpy: the engine's disk is full: docker system df shows what fills it, "
            "docker system prune frees it",
        ),
        (
            "#6 [numpy 1/1] RUN recipe.sh packages numpy\n#6 1.0 ERROR: No matching distribution found for numpy\n"
            "#6 ERROR: process",
            "[numpy 1/1] packages numpy: ERROR: No matching distribution found for numpy: "
            "give the build a network, or a folder of wheels in SAMESTEP_WHEELHOUSE",
        ),
        (
            "#4 [python 3/4] RUN sh /recipe.sh python\n#4 1.0 cause: Connection refused\n"
            "#4 1.1 samestep: no Python 3.12: name a base image that has it\n#4 ERROR: process",
            "[python 3/4] python: no Python 3.12: name a base image that has it",
        ),
        ("ERROR: unknown flag: --build-context", "the build: ERROR: unknown flag: --build-context"),
        ("", "the build: it ended without output"),
    ],
)
def test_a_failure_is_one_sentence_with_the_step_and_the_remedy_that_is_known(log: str, expected: str) -> None:
    assert reason(log) == expected


def test_the_real_runner_hands_on_each_line_and_the_exit_code() -> None:
    lines: list[str] = []
    assert images.run(["sh", "-c", "echo one; echo two >&2; exit 3"], lines.append) == 3
    assert lines == ["one", "two"]
    with pytest.raises(SetupError, match="no command no-such-docker"):
        images.run(["no-such-docker"], lines.append)
