"""`samestep check`: everything that is missing or wrong for a framework, in one go, each with its remedy."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from bench.catalogue import FrameworkError, framework_offer
from bench.frameworks import FRAMEWORKS
from harness import commands
from harness.doctor.adding import Need, needs, service
from harness.environments import locks

ROOT = locks.ROOT
TOY = (ROOT / "tests" / "toy" / "framework.py").read_text()
LOCK = "autograd==1.8.0 \\\n    --hash=sha256:0\nnumpy==2.4.6 \\\n    --hash=sha256:0\n"
PARTS = {
    "bench/frameworks/plaything.py": TOY,
    "images/plaything.in": "-r bench.in\nautograd==1.8.0\n",
    "images/locks/plaything.cpu-py311.txt": LOCK,
    "images/locks/plaything.cuda-py312.txt": LOCK,
}

WAITS = "      torch: *if-started\n"  # in depends_on of the harness
WAITS_FOR_IT = "      plaything: *if-started\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What `samestep check` reads of a checkout, with the toy complete in it."""
    for folder in ("bench/frameworks", "bench/hello", "images/locks"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("images/Dockerfile", "images/bench.in", "images/numpy.in", "images/jax.in"):
        source = ROOT / file if (ROOT / file).is_file() else ROOT / "images" / "numpy.in"
        (tmp_path / file).write_text(source.read_text())
    for file, text in PARTS.items():
        (tmp_path / file).write_text(text)
    compose = (ROOT / "compose.yaml").read_text()
    (tmp_path / "compose.yaml").write_text(compose)
    line = service("plaything", tmp_path)
    compose = compose.replace("\n  numpy:", f"\n{line}\n  numpy:", 1).replace(WAITS, f"{WAITS}{WAITS_FOR_IT}", 1)
    (tmp_path / "compose.yaml").write_text(compose)
    return tmp_path


def told(root: Path, name: str = "plaything") -> Mapping[str, Need]:
    """What is to be done, by file."""
    return {need.where: need for need in needs(name, root) if not need.is_met}


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_nothing_is_missing_for_a_framework_of_the_suite(name: str) -> None:
    here = "not on the PATH"  # a program that this host lacks is no fault of the suite
    assert [need for need in needs(name) if not need.is_met and here not in need.found] == []


def test_nothing_is_missing_for_the_toy(checkout: Path) -> None:
    assert told(checkout) == {}


def test_all_that_is_missing_is_said_at_once(checkout: Path) -> None:
    for file in PARTS:
        (checkout / file).unlink()
    (checkout / "compose.yaml").write_text((ROOT / "compose.yaml").read_text())

    found = [need for need in needs("plaything", checkout) if not need.is_met]

    assert [(need.where, need.status) for need in found] == [
        ("bench/frameworks/plaything.py", "missing"),
        ("images/plaything.in", "missing"),
        ("images/locks/plaything.cpu-py311.txt", "missing"),
        ("compose.yaml", "missing"),
        ("compose.yaml", "missing"),
    ]
    assert all(need.remedy for need in found)


@pytest.mark.parametrize("file", [file for file in PARTS if "cuda" not in file])
def test_each_file_that_is_compulsory_is_named(checkout: Path, file: str) -> None:
    (checkout / file).unlink()
    assert told(checkout)[file].status == "missing"


def test_a_lock_for_a_gpu_is_optional_where_nothing_is_asked_for_there(checkout: Path) -> None:
    (checkout / "images" / "locks" / "plaything.cuda-py312.txt").unlink()
    assert set(told(checkout)) == {"images/locks/plaything.cuda-py312.txt"}
    (checkout / "images" / "cpu").mkdir()
    (checkout / "images" / "plaything.in").rename(checkout / "images" / "cpu" / "plaything.in")
    (checkout / "compose.yaml").write_text((ROOT / "compose.yaml").read_text())
    need = told(checkout)["bench/frameworks/plaything.py"]
    assert need.found == "it computes on cuda as well, for which images/ has no requirements"
    assert need.remedy == "add DEVICES = ('cpu',), or write images/cuda/plaything.in"
    of_cpu = TOY.replace("BASELINE = ", 'DEVICES = ("cpu",)\nBASELINE = ', 1)
    (checkout / "bench" / "frameworks" / "plaything.py").write_text(of_cpu)
    assert told(checkout) == {}


def test_a_framework_for_gpus_alone_needs_nothing_for_the_processor(checkout: Path) -> None:
    of_gpu = TOY.replace("BASELINE = ", 'DEVICES = ("cuda",)\nBASELINE = ', 1)
    (checkout / "bench" / "frameworks" / "plaything.py").write_text(of_gpu)
    (checkout / "images" / "locks" / "plaything.cpu-py311.txt").unlink()
    (checkout / "images" / "cuda").mkdir()
    (checkout / "images" / "plaything.in").rename(checkout / "images" / "cuda" / "plaything.in")
    (checkout / "compose.yaml").write_text((ROOT / "compose.yaml").read_text())
    assert told(checkout) == {}
    (checkout / "images" / "locks" / "plaything.cuda-py312.txt").unlink()
    assert told(checkout)["images/locks/plaything.cuda-py312.txt"].status == "missing"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"""Toy: ', '"""', "does not begin with its name"),
        ("BASELINE = ", "BASIS = ", "the literal BASELINE is not there"),
        ('BASELINE = "loop"', 'BASELINE = "lop"', "BASELINE names lop, no mode of MODES"),
        ("BASELINE = ", 'PROGRAM_MODES = ("fast",)\nBASELINE = ', "PROGRAM_MODES names fast"),
        ("BASELINE = ", 'DEVICES = "cpu"\nBASELINE = ', "DEVICES is a tuple of some of cpu, cuda"),
        ("BASELINE = ", "PROGRAMS = {'clang': 1}\nBASELINE = ", "PROGRAMS has a name or a value that is no text"),
        ("ADAM = ", "EVE = ", "the literal ADAM is not there"),
        ("def wait(", "def weight(", "the function wait is not there"),
        ("def versions(", "async def versions(", "the function versions is not there"),
        ('{"regression": None}', '{"regresion": None}', "FORWARD names regresion, which is no workload"),
        ("BASELINE = ", 'LIMITS = "toy"\nBASELINE = ', "there is no probes"),
        ("BASELINE = ", "probes = None\nBASELINE = ", "probes is there, and no LIMITS"),
        ('"a Python loop over', '"" "" if 1 else "a Python loop over', "cannot be read"),
        ("BASELINE = ", "BASELINE == ", "the literal BASELINE is not there"),
        ("def wait(", "def wait((", "line "),
        ("ENVIRONMENT = {", "ENVIRONMENT = os.environ or {", "cannot be read"),
    ],
)
def test_what_is_wrong_in_its_file_is_named(checkout: Path, old: str, new: str, sentence: str) -> None:
    assert old in TOY
    (checkout / "bench" / "frameworks" / "plaything.py").write_text(TOY.replace(old, new, 1))
    need = told(checkout)["bench/frameworks/plaything.py"]
    assert need.status == "wrong"
    assert sentence in need.found
    assert need.remedy


def test_a_file_that_is_no_text_is_named_and_no_traceback(checkout: Path) -> None:
    (checkout / "bench" / "frameworks" / "plaything.py").write_bytes(b"\xff\xfe\x00")
    assert told(checkout)["bench/frameworks/plaything.py"].status == "wrong"


def test_a_file_that_is_too_long_is_named(checkout: Path) -> None:
    (checkout / "bench" / "frameworks" / "plaything.py").write_text(TOY + "\n# more" * 200)
    assert "more than 200" in told(checkout)["bench/frameworks/plaything.py"].found


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("autograd==1.8.0\n", "no line -r"), ("-r nosuch.in\nautograd==1.8.0\n", "nosuch.in is not there")],
)
def test_requirements_that_build_on_nothing_are_named(checkout: Path, text: str, sentence: str) -> None:
    (checkout / "images" / "plaything.in").write_text(text)
    assert sentence in told(checkout)["images/plaything.in"].found


def test_a_lock_that_is_older_than_what_is_asked_for_is_named(checkout: Path) -> None:
    (checkout / "images" / "plaything.in").write_text("-r bench.in\nAutoGrad==1.9.0\n")
    need = told(checkout)["images/locks/plaything.cpu-py311.txt"]
    assert (need.status, need.found) == ("wrong", "AutoGrad==1.9.0 of images/plaything.in is not in it")
    assert need.remedy == "python -m harness.environments.locks plaything"


def test_the_line_of_compose_is_given_whole(checkout: Path) -> None:
    line = service("plaything", checkout)
    compose = checkout / "compose.yaml"
    compose.write_text(compose.read_text().replace(f"{line}\n", ""))
    need = told(checkout)["compose.yaml"]
    assert need.status == "missing"
    assert line in need.remedy
    (checkout / "images" / "plaything.in").write_text("-r jax.in\nautograd==1.8.0\n")
    assert "PARENT: jax" in told(checkout)["compose.yaml"].remedy


def test_a_line_of_compose_that_builds_on_another_framework_is_wrong(checkout: Path) -> None:
    compose = checkout / "compose.yaml"
    compose.write_text(
        compose.read_text().replace("FRAMEWORK: plaything, PARENT: numpy", "FRAMEWORK: plaything, PARENT: torch")
    )
    assert told(checkout)["compose.yaml"].status == "wrong"


def test_a_place_in_depends_on_is_needed(checkout: Path) -> None:
    compose = checkout / "compose.yaml"
    compose.write_text(compose.read_text().replace(WAITS_FOR_IT, ""))
    need = told(checkout)["compose.yaml"]
    assert need.found == "its place in depends_on"
    assert WAITS_FOR_IT.rstrip("\n") in need.remedy


def test_a_line_of_compose_is_in_every_profile_that_runs_all_frameworks(checkout: Path) -> None:
    line = service("plaything", checkout)
    assert "profiles: [plaything, quick, default, publish]" in line
    compose = checkout / "compose.yaml"
    compose.write_text(compose.read_text().replace("[plaything, quick, ", "[plaything, look, onnxruntime, quick, "))
    assert told(checkout) == {}
    compose.write_text(compose.read_text().replace("[plaything, look, onnxruntime, quick, ", "[plaything, "))
    assert told(checkout)["compose.yaml"].status == "wrong"


def test_a_line_of_compose_demands_the_cuda_of_its_lock(checkout: Path) -> None:
    (checkout / "images" / "locks" / "plaything.cuda-py312.txt").write_text(f"{LOCK}nvidia-cuda-runtime==13.0.96\n")
    need = told(checkout)["compose.yaml"]
    assert need.status == "wrong"
    assert 'PARENT: numpy, REQUIRE_CUDA: "cuda>=13.0"' in need.remedy


@pytest.mark.parametrize("name", ["Toy", "1toy", "my-toy", "_toy", "../toy", "class", "to y", ""])
def test_what_is_no_name_of_a_module_is_refused(checkout: Path, name: str) -> None:
    (need,) = needs(name, checkout)
    assert (need.status, need.is_met) == ("wrong", False)


def test_the_command_says_it_and_has_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.check("numpy") == 0
    assert "numpy is complete" in capsys.readouterr().out
    assert commands.check("nosuch") == 3
    printed = capsys.readouterr().out
    assert "missing  bench/frameworks/nosuch.py" in printed
    assert "python -m harness.environments.locks nosuch" in printed


@pytest.mark.parametrize("text", ["MODES = {}\n", "MODES = 1\nBASELINE = ''\nENVIRONMENT = {}\n", "def (\n"])
def test_a_file_that_cannot_be_read_is_one_sentence_for_every_other_command(checkout: Path, text: str) -> None:
    (checkout / "bench" / "frameworks" / "plaything.py").write_text(text)
    with pytest.raises(FrameworkError, match=r"bench/frameworks/plaything\.py: "):
        framework_offer("plaything", checkout / "bench")


@pytest.mark.parametrize(
    ("lock", "status"),
    [
        (None, "missing"),
        ('{"packages": {"": {"dependencies": {"engine": "1.0.0"}}}}', "wrong"),
        ('{"packages": {"": {"dependencies": {"engine": "1.1.0"}}}}', None),
    ],
    ids=["none", "of another version", "fits"],
)
def test_what_a_guest_runs_in_node_has_to_be_locked(checkout: Path, lock: str | None, status: str | None) -> None:
    file = "images/locks/plaything.package-lock.json"
    (checkout / "images" / "plaything.package.json").write_text('{"dependencies": {"engine": "1.1.0"}}')
    if lock is not None:
        (checkout / file).write_text(lock)
    found = told(checkout)
    assert found.keys() == ({file} if status else set())
    if status:
        assert (found[file].status, found[file].remedy.split()[-1]) == (status, "plaything")
