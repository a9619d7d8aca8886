"""RUN.toml: what it may say, and one sentence for what it may not."""

from pathlib import Path

import pytest

from harness.errors import SelectionError
from harness.fleet.request import HostType, read, run_of

WHOLE = """
shared = "/shared"
time_limit = 30
requeue = false
scratch = "/local"
[run]
framework = ["torch", "jax"]
blocks = 4
timeout = 30
env = ["A=1", "B=two words"]
alternate = false
launcher = "docker"
[[hosts]]
name = "h200"
gres = "gpu:h200:1"
tasks = 2
[[hosts]]
name = "l4"
constraint = "l4"
partition = "long"
"""


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "run.toml"
    path.write_text(text)
    return path


def test_a_file_says_what_run_is_to_do_and_where(tmp_path: Path) -> None:
    asked = read(file(tmp_path, WHOLE))
    assert asked.shared == Path("/shared")
    assert (asked.time_limit_min, asked.requeue, asked.scratch) == (30, False, "/local")
    assert asked.host_types == (
        HostType(name="h200", gres="gpu:h200:1", tasks=2),
        HostType(name="l4", constraint="l4", partition="long"),
    )
    requested, setting = run_of(asked.options)
    assert requested.selection.framework == ("torch", "jax")
    assert (setting.blocks, setting.timeout_s, setting.launcher) == (4, 30.0, "docker")
    assert setting.env == ("A=1", "B=two words")
    assert setting.alternate is False


def test_little_is_needed(tmp_path: Path) -> None:
    asked = read(file(tmp_path, 'shared = "here"\n[[hosts]]\nname = "any"\n'))
    assert asked.shared.is_absolute()
    assert asked.options == ()
    assert run_of(())[1].launcher == "venv"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("shared =", "is not TOML"),
        ("", "No shared folder is named"),
        ('shared = "/a"', "No hosts are named"),
        ('shared = "/a"\nhost = 1', "There is no key 'host'. Did you mean hosts?"),
        ('shared = 1\n[[hosts]]\nname = "a"', "shared is not text."),
        ('shared = "/a"\n[hosts]\nname = "a"', "hosts is not a list of tables."),
        ('shared = "/a"\n[[hosts]]\nname = "a"\n[[hosts]]\nname = "a"', "Two [[hosts]] have one name."),
        ('shared = "/a"\n[[hosts]]\nname = "a b"', "needs a name of letters"),
        ('shared = "/a"\n[[hosts]]\nname = "a"\ngres = "gpu; rm"', "has a character that no such name has"),
        ('shared = "/a"\n[[hosts]]\nname = "a"\ntasks = 0', "hosts.tasks = 0: give a number from 1"),
        ('shared = "/a"\ntime_limit = 0\n[[hosts]]\nname = "a"', "time_limit = 0: give minutes"),
        ('shared = "/a"\n[run]\nframwork = "torch"\n[[hosts]]\nname = "a"', "Did you mean framework or "),
        ('shared = "/a"\n[run]\nresults = "x"\n[[hosts]]\nname = "a"', "There is no option of run 'results'"),
        ('shared = "/a"\n[run]\nblocks = "4"\n[[hosts]]\nname = "a"', "run.blocks is not a whole number of 1 or more."),
        ('shared = "/a"\n[run]\nblocks = 0\n[[hosts]]\nname = "a"', "run.blocks is not a whole number of 1 or more."),
        ('shared = "/a"\n[run]\ntimeout = -1\n[[hosts]]\nname = "a"', "timeout = -1: give seconds"),
        ('shared = "/a"\n[run]\nalternate = "no"\n[[hosts]]\nname = "a"', "run.alternate is true or false."),
        ('shared = "/a"\n[run]\ndata = "d"\n[[hosts]]\nname = "a"', "run.data is not an absolute path"),
        ('shared = "/a"\n[run]\ncpus = 1\n[[hosts]]\nname = "a"', "run.cpus is not text."),
        (
            'shared = "/a"\n[run]\nlauncher = "workers"\n[[hosts]]\nname = "a"',
            "There is no launcher of a fleet 'workers'",
        ),
        ('shared = "/a"\n[run]\nlauncher = "auto"\n[[hosts]]\nname = "a"', "Valid: docker, venv, here."),
    ],
)
def test_what_it_may_not_say_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SelectionError) as error:
        read(file(tmp_path, text))
    assert said in str(error.value)
    assert "\n" not in str(error.value).replace("\\n", "")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SelectionError, match=r"run\.toml cannot be read: .*No such file"):
        read(tmp_path / "run.toml")
