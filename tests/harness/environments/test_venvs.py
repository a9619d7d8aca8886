"""The local environments: made once, whole or not at all, each failure told with its remedy."""

import itertools
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from harness.environments import locks
from harness.environments.venvs import MARKER, Environments, RunCommand, run_uv
from harness.errors import SetupError


class Uv:
    """A uv that makes folders; fails at the install of those frameworks that it is told of."""

    def __init__(self, fails: Mapping[str, str] | None = None) -> None:
        self.fails = fails or {}
        self.calls: list[Sequence[str]] = []

    def __call__(self, arguments: Sequence[str]) -> tuple[int, str]:
        self.calls.append(arguments)
        if arguments[0] == "venv":
            python = Path(arguments[-1]) / "bin" / "python"
            python.parent.mkdir(parents=True)
            python.write_text("12345")
            return 0, ""
        name = Path(arguments[-1]).name
        framework = name.removesuffix(".cpu-py311.txt") if "@" in name else name.partition(".")[0]
        return (1, self.fails[framework]) if framework in self.fails else (0, "")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "images" / "locks"
    folder.mkdir(parents=True)
    for framework in ("numpy", "torch", "jax"):
        (folder / f"{framework}.cpu-py311.txt").write_text(f"{framework}==1\n")
    return tmp_path


def say_nothing(line: str) -> None:
    pass


def usr_bin(version: str) -> Path:
    return Path("/usr/bin") / f"python{version}"


def environments(root: Path, run: RunCommand, find: Callable[[str], Path] = usr_bin) -> Environments:
    return Environments(root, "cpu", find, run, lambda folder, lock, made: None)


def test_an_environment_is_made_once_and_named_after_its_lock(root: Path) -> None:
    run = Uv()
    lines: list[str] = []
    made = environments(root, run)
    assert made.python("torch") is None
    assert made.make(["torch"], lines.append) == {}
    digest = locks.digest(root / "images" / "locks" / "torch.cpu-py311.txt")
    assert made.python("torch") == root / ".envs" / f"torch-cpu-py311-{digest}" / "bin" / "python"
    assert made.size_bytes("torch") == 5
    assert made.make(["torch"], lines.append) == {}
    assert len(run.calls) == 2


def test_the_lock_is_installed_with_its_hashes_by_the_python_it_was_made_for(root: Path) -> None:
    run = Uv()
    environments(root, run).make(["numpy"], say_nothing)
    venv, install = run.calls
    assert venv[venv.index("--python") + 1] == "/usr/bin/python3.11"
    assert "--require-hashes" in install
    assert install[-1] == str(root / "images" / "locks" / "numpy.cpu-py311.txt")


def test_progress_says_which_of_how_many_the_seconds_and_the_size(root: Path) -> None:
    lines: list[str] = []
    made = environments(root, Uv())
    made.make(["numpy"], say_nothing)
    made.make(["numpy", "torch", "jax"], lines.append)
    assert lines == [
        "Environment 1 of 2: torch …",
        "Environment 1 of 2: torch made in 0 s, 0.0 GB",
        "Environment 2 of 2: jax …",
        "Environment 2 of 2: jax made in 0 s, 0.0 GB",
    ]


def test_engines_in_another_frameworks_packages_share_its_environment_and_its_failure(root: Path) -> None:
    (root / "bench" / "frameworks").mkdir(parents=True)
    for engine in ("aotinductor", "torchscript"):
        shutil.copy(locks.ROOT / "bench" / "frameworks" / f"{engine}.py", root / "bench" / "frameworks")
    lines: list[str] = []
    made = environments(root, Uv())
    assert made.make(["aotinductor", "torch", "torchscript"], lines.append) == {}
    assert lines[0] == "Environment 1 of 1: torch …"
    assert {made.python(name) for name in ("aotinductor", "torchscript")} == {made.python("torch")} != {None}
    shutil.rmtree(made.folder("torch"))
    failed = environments(root, Uv({"torch": "error: no"})).make(["torchscript", "jax", "aotinductor"], say_nothing)
    assert failed == {"torchscript": "error: no", "aotinductor": "error: no"}


def test_a_new_lock_makes_a_new_environment(root: Path) -> None:
    made = environments(root, Uv())
    made.make(["jax"], say_nothing)
    (root / "images" / "locks" / "jax.cpu-py311.txt").write_text("jax==2\n")
    assert made.python("jax") is None


def test_a_half_made_environment_is_removed_and_made_anew(root: Path) -> None:
    made = environments(root, Uv())
    left = made.folder("jax") / "bin" / "left-over"
    left.parent.mkdir(parents=True)
    left.write_text("")
    assert made.python("jax") is None
    assert made.make(["jax"], say_nothing) == {}
    assert not left.exists()


def test_one_that_cannot_be_made_is_told_with_uvs_last_line_and_the_others_are_made(root: Path) -> None:
    run = Uv(fails={"torch": "error: Failed to install\n  × Caused by: no wheel for this platform\n"})
    made = environments(root, run)
    failed = made.make(["numpy", "torch", "jax"], say_nothing)
    assert failed == {"torch": "Caused by: no wheel for this platform"}
    assert made.python("torch") is None
    assert made.python("numpy")
    assert made.python("jax")


@pytest.mark.parametrize(
    ("stderr", "remedy"),
    [
        (
            "error: Failed to fetch: `index`\n  Caused by: dns error\nhint: try\n",
            "index` (Caused by: dns error): check",
        ),
        (f"error: Failed to fetch: `{locks.CPU_TORCH_PAGE}`\n  Caused by: dns error\n", "in PIP_FIND_LINKS"),
        ("error: failed to write\n  Caused by: No space left on device (os error 28)\n", "the disk is full"),
        ("error: Hash mismatch for `numpy`\n", "make -C "),
        ("", "uv pip ended with exit code 1"),
    ],
)
def test_known_failures_name_their_remedy(root: Path, stderr: str, remedy: str) -> None:
    failed = environments(root, Uv(fails={"numpy": stderr})).make(["numpy"], say_nothing)
    assert remedy in failed["numpy"]


def test_what_uv_says_is_one_line_without_its_colours(root: Path) -> None:
    said = "\x1b]8;;http://x\x07Because\x1b]8;;\x07 no\x00 wheel"
    stderr = f"\x1b[1m\x1b[31merror\x1b[39m\x1b[0m: No solution\n  \x1b[31m╰─▶ {said}\n"
    failed = environments(root, Uv(fails={"numpy": stderr})).make(["numpy"], say_nothing)
    assert failed == {"numpy": r"Because no\x00 wheel"}


def test_what_uv_says_in_another_encoding_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "uv"
    program.write_text("#!/bin/sh\nprintf 'error: caf\\351\\n' >&2; exit 2\n")
    program.chmod(0o755)
    monkeypatch.setattr("uv.find_uv_bin", lambda: str(program))
    assert run_uv(["pip"]) == (2, "error: caf\ufffd\n")


def test_a_python_that_is_nowhere_is_a_reason_and_no_crash(root: Path) -> None:
    def nowhere(version: str) -> Path:
        raise SetupError(f"no Python {version}")

    assert environments(root, Uv(), nowhere).make(["jax"], say_nothing) == {"jax": "no Python 3.11"}


def test_a_framework_without_a_lock_is_a_reason_with_the_remedy(root: Path) -> None:
    failed = environments(root, Uv()).make(["flax", "jax"], say_nothing)
    assert failed == {"flax": f"flax has no lock file flax.cpu-py311.txt in images/locks: make -C {root} lock"}


def test_an_interrupted_making_leaves_no_complete_environment(root: Path) -> None:
    def interrupted(arguments: Sequence[str]) -> tuple[int, str]:
        if arguments[0] == "pip":
            raise KeyboardInterrupt
        return Uv()(arguments)

    made = environments(root, interrupted)
    with pytest.raises(KeyboardInterrupt):
        made.make(["jax"], say_nothing)
    assert made.python("jax") is None
    assert not (made.folder("jax") / MARKER).exists()


def test_the_real_uv_answers_and_its_errors_come_back() -> None:
    assert run_uv(["--version"])[0] == 0
    code, stderr = run_uv(["pip", "install", "--no-such-option"])
    assert (code, "--no-such-option" in stderr) == (2, True)


def with_variants(root: Path, run: RunCommand, **locks_: Path) -> Environments:
    variants = {name.replace("_at_", "@"): lock for name, lock in locks_.items()}
    return Environments(root, "cpu", usr_bin, run, lambda folder, lock, made: None, variants=variants)


def test_a_variant_has_an_environment_of_its_own_by_its_lock_and_python(root: Path, tmp_path: Path) -> None:
    lock = tmp_path / "run" / "locks" / "jax@0.9.2,py3.13.cpu-py313.txt"
    lock.parent.mkdir(parents=True)
    lock.write_text("jax==0.9.2\n")
    run = Uv()
    made = with_variants(root, run, jax_at_other=lock)
    assert made.make(["jax", "jax@other"], say_nothing) == {}
    assert made.python("jax@other") == root / ".envs" / f"jax-cpu-py313-{locks.digest(lock)}" / "bin" / "python"
    assert made.python("jax") != made.python("jax@other")
    pythons = [call[call.index("--python") + 1] for call in run.calls if call[0] == "venv"]
    assert pythons == ["/usr/bin/python3.11", "/usr/bin/python3.13"]
    assert run.calls[-1][-1] == str(lock)


def test_a_variant_whose_lock_is_the_frameworks_shares_its_environment(root: Path, tmp_path: Path) -> None:
    lock = tmp_path / "jax@1.cpu-py311.txt"
    shutil.copyfile(root / "images" / "locks" / "jax.cpu-py311.txt", lock)
    run = Uv()
    made = with_variants(root, run, jax_at_1=lock)
    assert made.make(["jax", "jax@1"], say_nothing) == {}
    assert made.folder("jax@1") == made.folder("jax")
    assert [call[0] for call in run.calls] == ["venv", "pip"]


def test_wheels_beside_the_lock_of_a_variant_are_offered_to_it_alone(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_pip_configs", lambda environ: [])
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    (tmp_path / "wheels").mkdir()
    lock = tmp_path / "jax@1.cpu-py311.txt"
    lock.write_text("jax==0.9.2\n")
    run = Uv()
    assert with_variants(root, run, jax_at_1=lock).make(["jax", "jax@1"], say_nothing) == {}
    of_framework, of_variant = (call for call in run.calls if call[0] == "pip")
    assert "--find-links" not in of_framework
    found = [value for name, value in itertools.pairwise(of_variant) if name == "--find-links"]
    assert found == [str(tmp_path / "wheels"), str(tmp_path)]


def test_one_that_cannot_be_made_does_not_keep_its_framework_from_running(root: Path, tmp_path: Path) -> None:
    lock = tmp_path / "jax@1.cpu-py311.txt"
    lock.write_text("jax==0.9.2\n")
    made = with_variants(root, Uv({"jax@1": "error: no wheel"}), jax_at_1=lock)
    assert made.make(["jax", "jax@1"], say_nothing) == {"jax@1": "error: no wheel"}
    assert made.python("jax")
    assert made.python("jax@1") is None


def test_a_variant_with_a_package_for_another_python_is_not_made(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.environments.installed.misfit", lambda folder: "toy requires Python <3.11")
    lock = tmp_path / "jax@1.cpu-py311.txt"
    lock.write_text("jax==0.9.2\n")
    made = with_variants(root, Uv(), jax_at_1=lock)
    assert made.make(["jax", "jax@1"], say_nothing) == {"jax@1": "toy requires Python <3.11"}
    assert made.python("jax@1") is None


def test_an_environment_has_an_inventory_once_it_is_made(root: Path) -> None:
    made = environments(root, Uv())
    assert made.inventory("jax") == ""
    made.make(["jax"], say_nothing)
    site = made.folder("jax") / "lib" / "python3.11" / "site-packages" / "toy-1.dist-info"
    site.mkdir(parents=True)
    assert made.inventory("jax") == ""
    (site / "RECORD").write_text("toy.py,sha256=aa,1\n")
    assert len(made.inventory("jax")) == 64
