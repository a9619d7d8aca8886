"""The campaign finds what it looks for, plants the same fault for the same number, and measures nothing by itself."""

import os
import random
import shutil
import signal
from pathlib import Path

import pytest
from typer.core import TyperOption

from harness.store.folder import RunFolder
from tests.faults import bases, commands, folders, mutations, pool, rules, surroundings, table
from tests.faults.outcome import LOST, OTHER, TRACEBACK, TWICE, Ended, Outcome, Wrong, crash_in
from tests.faults.room import whole


def ended(code: int = 0, out: str = "", err: str = "", *command: str) -> Ended:
    return Ended(command=command or ("report",), code=code, out=out.encode(), err=err.encode())


@pytest.mark.parametrize(
    ("of", "says"),
    [
        (ended(0, "NumPy 20.1 µs\n"), None),
        (ended(1, "", "samestep: /r/run.json is no JSON: remove it.\n"), None),
        (ended(2, "", "Usage: samestep …\nError: No such option: --fram\n"), None),
        (ended(3, "", "samestep: 2 of the cells could not be judged.\n"), None),
        (ended(4), "exit code 4"),
        (ended(-11), "exit code -11"),
        (ended(1), "without a sentence"),
        (ended(1, "", "samestep: a.\nsamestep: b.\n"), "2 sentences"),
        (ended(1, "", "samestep: a.\nb\n"), "no sentence"),
        (ended(1, "", f"samestep: {'x' * 10_000}\n"), "more than"),
        (ended(0, "", "a.py:3: RuntimeWarning: invalid value\n"), "a warning of Python"),
        (ended(0, "\x1b[31mred"), "control character"),
        (ended(0, "a\x9b31m"), "control character"),
        (ended(0, "Traceback (most recent call last)\n"), "a traceback is printed"),
    ],
)
def test_each_rule_finds_what_is_planted(of: Ended, says: str | None) -> None:
    found = [wrong.what for wrong in rules.judged(of)]
    assert found == [] if says is None else any(says in what for what in found)


def test_a_crash_is_named_by_its_last_place_in_samestep() -> None:
    text = (
        'Traceback (most recent call last):\n  File "/x/harness/cli.py", line 7, in main\n    f()\n'
        '  File "/usr/lib/json.py", line 1, in loads\n    g()\nValueError: no\n'
    )
    assert crash_in(text) == "harness/cli.py:7 ValueError: no"
    assert crash_in("all is well") == ""
    (wrong,) = rules.judged(Ended(command=("report",), code=1, crash=crash_in(text)))
    assert wrong.of == TRACEBACK


STEPS = "framework,mode,workload,optimizer,size,precision,device,allocator,status,step_us\n"
ROWS = (
    "numpy,eager,regression,adam,base,float32,cpu,default,ok,",
    "jax,jit,regression,adam,base,float32,cpu,default,ok,",
)


def test_a_number_of_a_cell_that_nobody_touched_may_not_change() -> None:
    before = f"{STEPS}{ROWS[0]}20.0\n{ROWS[1]}50.0\n".encode()
    after = before.replace(b"20.0", b"21.0")
    touched = {" ".join(ROWS[1].split(",")[:8])}
    assert list(rules.changed_in_silence(before, before, touched)) == []
    (what,) = rules.changed_in_silence(before, after, touched)
    assert what.startswith("numpy eager")
    assert what.endswith("20.0 µs became 21.0")
    assert list(rules.changed_in_silence(before, after, None)) == []


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run, *_ = bases.make(tmp_path_factory.mktemp("bases"))
    return run


def copied(run: Path, to: Path) -> Path:
    return Path(shutil.copytree(run, to / "run"))


def test_a_run_is_whole_until_a_record_is_lost_twice_or_damaged(made: Path, tmp_path: Path) -> None:
    folder = RunFolder(copied(made, tmp_path))
    path = folder.records_path
    data = path.read_bytes()
    missing = {wrong.of for wrong in whole(folder)}
    assert missing <= {LOST}  # the made run does not hold each replicate of its plan

    path.write_bytes(data + data.splitlines(keepends=True)[0])
    assert TWICE in {wrong.of for wrong in whole(folder)}

    path.write_bytes(data[: len(data) // 2])
    assert next(whole(folder, before=data)).what.startswith("records.jsonl no longer begins")
    assert any("damaged" in wrong.what for wrong in whole(folder))


@pytest.mark.parametrize("number", range(30))
def test_a_mutation_is_the_same_for_the_same_number(number: int, made: Path, tmp_path: Path) -> None:
    done = []
    for place in ("a", "b"):
        run = copied(made, tmp_path / place)
        how = random.Random(number).choice([mutations.of_value, mutations.of_text, mutations.of_place])
        mutation = how(random.Random(number), run, "records.jsonl")
        path = run / "records.jsonl"
        done.append((mutation, path.read_bytes() if path.is_file() else None))
    assert done[0] == done[1]


def test_runs_as_they_are_stand_every_command(tmp_path: Path) -> None:
    plant = folders.Folders(1, tmp_path)

    def unchanged(number: int) -> Outcome:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(folders, "mutate", lambda rng, run: ())
            return plant.one(number)

    outcomes = list(pool.outcomes(folders.KIND, unchanged, [1, 2], 2))
    assert len(outcomes) == 2
    assert [wrong for outcome in outcomes for wrong in outcome.wrong if "--resume" not in wrong.what] == []


def test_no_command_line_begins_a_measurement(tmp_path: Path) -> None:
    """A plain run passes all its checks and ends there: its folder has a plan and no record."""
    plant = commands.Commands(1, tmp_path)

    def plain(number: int) -> Outcome:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(plant, "typed", lambda rng: ["run", *commands.PLAIN["run"]])
            patch.setattr(commands, "furnish", lambda folder, run: None)
            patch.setattr(rules, "judged", _facts_of)
            return plant.one(number)

    (outcome,) = pool.outcomes(commands.KIND, plain, [1], 1)
    assert [wrong.what for wrong in outcome.wrong] == ["code 0, files ['locks', 'plan.json', 'run.json']"]


def _facts_of(of: Ended) -> tuple[Wrong, ...]:
    files = sorted(path.name for path in Path("results").glob("*/*") if not path.name.startswith("."))
    return (Wrong(of=OTHER, what=f"code {of.code}, files {files}"),)


def test_every_option_of_every_command_is_typed(tmp_path: Path) -> None:
    plant = commands.Commands(1, tmp_path)
    typed = {word.partition("=")[0] for number in range(3_000) for word in plant.typed(random.Random(number))}
    every = {
        name
        for _, command in commands.every_command()
        for parameter in commands.parameters_of(command)
        if isinstance(parameter, TyperOption)
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
    assert {"--framework", "--resume", "--fail-on"} <= every
    assert every - typed == set()


def _dies_at_two(number: int) -> Outcome:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(kind="folders", number=number, planted="")


def test_a_process_that_dies_costs_the_fault_that_it_was_at() -> None:
    outcomes = {outcome.number: outcome for outcome in pool.outcomes("folders", _dies_at_two, [1, 2, 3, 4], 1)}
    assert [bool(outcomes[number].wrong) for number in (1, 2, 3, 4)] == [False, True, False, False]
    assert "-9" in outcomes[2].wrong[0].what


def test_each_of_the_surroundings_has_a_name_of_its_own() -> None:
    names = [each.name for each in surroundings.CASES]
    assert len(set(names)) == len(names)
    assert 8 <= len(surroundings.numbers(short=True)) <= 12


def test_the_table_counts_faults_by_kind() -> None:
    wrong = (
        Wrong(of=TRACEBACK, what="report: harness/x.py:7 ValueError: 12"),
        Wrong(of=OTHER, what="report: exit code 4"),
    )
    outcomes = [
        Outcome(kind="folders", number=1, planted="a", wrong=wrong),
        Outcome(kind="folders", number=2, planted="b", wrong=wrong[:1]),
        Outcome(kind="kills", number=1, planted="c", skipped="it needs root"),
    ]
    sentences = {"folders": "mutated", "kills": "killed"}
    assert [row[1:] for row in table.rows(outcomes, sentences)] == [
        ("2", "2", "0", "0", "1", "0"),
        ("0", "0", "0", "0", "0", "1"),
        ("2", "2", "0", "0", "1", "1"),
    ]
    assert "| folders: mutated | 2 | 2 | 0 | 0 | 1 | 0 |" in table.markdown(outcomes, sentences, seed=1, seconds=60)
    first, where, *_ = table.found(outcomes).splitlines()
    assert first == "traceback: harness/x.py:7 ValueError: N"
    assert where == "    folders/1, folders/2; the first: a"
