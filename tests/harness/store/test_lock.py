"""The lock of a folder has one owner, with real processes that fight for it, and outlives nobody."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.store.lock import Lock

FIGHT = """
import os, sys, time
from pathlib import Path
from harness.store.lock import Lock
folder, owned = Path(sys.argv[1]), 0
while owned < 150:
    lock = Lock(folder)
    if not lock.take():
        continue
    os.close(os.open(folder / "owner", os.O_CREAT | os.O_EXCL))  # fails where there are two
    os.unlink(folder / "owner")
    lock.free()
    owned += 1
"""


def started(code: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True)


def test_processes_that_fight_for_it_never_both_have_it(tmp_path: Path) -> None:
    fighters = [started(FIGHT, tmp_path) for _ in range(4)]
    for fighter in fighters:
        fighter.communicate(timeout=60)
    assert [fighter.returncode for fighter in fighters] == [0] * 4
    assert list(tmp_path.iterdir()) == []


def test_who_lets_go_does_not_take_it_from_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = Lock(tmp_path), Lock(tmp_path), Lock(tmp_path)
    taken: list[bool] = []
    unlink = Path.unlink

    def slowly(path: Path, missing_ok: bool = False) -> None:
        taken.append(second.take())  # another comes just now
        unlink(path, missing_ok=missing_ok)

    assert first.take()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", slowly)
        first.free()
    taken.append(second.take())
    assert taken == [False, True]
    assert not third.take()
    second.free()


def test_a_killed_owner_leaves_nothing_to_remove(tmp_path: Path) -> None:
    code = "import sys, time; from pathlib import Path; from harness.store.lock import Lock\n"
    code += "lock = Lock(Path(sys.argv[1])); print(lock.take(), flush=True); time.sleep(60)"
    owner = started(code, tmp_path)
    assert owner.stdout
    assert owner.stdout.readline() == "True\n"
    lock = Lock(tmp_path)
    assert not lock.take()
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    assert lock.take()
    lock.free()


def test_a_file_system_without_locks_is_said_and_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none(descriptor: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    lock = Lock(tmp_path)
    assert lock.take()
    assert "has no locks (No locks available): let only one samestep run there." in caplog.text
    lock.free()
