"""RUN.toml and what is typed beside it: what they may say, and one sentence for what they may not."""

from pathlib import Path

import pytest

from harness.errors import SelectionError
from harness.fleet.request import HostType, host_table, read, run_of

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
        ('shared = "/a"\nrunner = "sh -c \'x"\n[[hosts]]\nname = "a"', "cannot be read as the words of a command"),
        ('shared = "/a"\nrunner = " "\n[[hosts]]\nname = "a"', "runner has no words"),
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


def test_what_is_typed_wins_over_the_file_and_the_rest_of_it_stays(tmp_path: Path) -> None:
    typed = {"time_limit": 5, "run": {"blocks": 2, "env": ["C=3"], "alternate": True}, "hosts": [host_table("any")]}
    asked = read(file(tmp_path, WHOLE), typed)
    assert (asked.shared, asked.time_limit_min, asked.requeue) == (Path("/shared"), 5, False)
    assert asked.host_types == (HostType(name="any"),)
    requested, setting = run_of(asked.options)
    assert requested.selection.framework == ("torch", "jax")
    assert (setting.blocks, setting.env, setting.alternate, setting.launcher) == (2, ("C=3",), True, "docker")


def test_no_file_is_needed_where_all_is_typed() -> None:
    hosts = [host_table("h200 gres=gpu:h200:1,lic:2 tasks=3 partition=long"), host_table("l4 constraint=l4&(a|b)")]
    asked = read(None, {"shared": "/shared", "hosts": hosts, "runner": "srun  --container-image='a b'"})
    assert asked.host_types == (
        HostType(name="h200", gres="gpu:h200:1,lic:2", tasks=3, partition="long"),
        HostType(name="l4", constraint="l4&(a|b)"),
    )
    assert asked.options == ()
    assert asked.runner == "srun '--container-image=a b'"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({}, "No shared folder is named: shared = the path of one that all hosts see, or --shared."),
        ({"shared": "/a"}, "No hosts are named: a table [[hosts]] for each type, or --hosts 'NAME gres=…'."),
        ({"shared": "/a", "hosts": [host_table("")]}, "Each of the [[hosts]] needs a name"),
        ({"shared": "/a", "hosts": [host_table("a gras=gpu:1")]}, "There is no key 'gras'. Did you mean gres?"),
        ({"shared": "/a", "hosts": [host_table("a tasks=x")]}, "hosts.tasks is not a whole number."),
        ({"shared": "/a", "hosts": [host_table("a")], "run": {"launcher": "workers"}}, "no launcher of a fleet"),
    ],
)
def test_what_is_typed_wrongly_is_one_sentence(typed: dict[str, object], said: str) -> None:
    with pytest.raises(SelectionError) as error:
        read(None, typed)
    assert str(error.value).startswith(said) or said in str(error.value)
    assert "None" not in str(error.value)


def test_a_wrong_word_beside_a_file_names_both(tmp_path: Path) -> None:
    path = file(tmp_path, WHOLE)
    with pytest.raises(SelectionError) as error:
        read(path, {"time_limit": 0})
    assert str(error.value).startswith(f"{path}, with what was typed beside it: time_limit = 0: give minutes")
