"""Printing a report writes nothing; writing one goes anywhere, next to others; what cannot be drawn costs no more."""

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import commands, session
from harness.errors import SelectionError, StoreError
from harness.report import write
from harness.report.charts import all as every_chart
from harness.report.interim import Interim
from harness.store.folder import RunFolder
from harness.terminal import shell
from tests.factories import record
from tests.harness.report.test_interim import folder_of, measured

Snapshot = dict[str, tuple[int, int, bytes]]


def snapshot(folder: Path) -> Snapshot:
    """Every file with its inode, time and content; every folder with its time."""
    return {
        str(path): (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in (folder, *folder.rglob("*"))
    }


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A whole run with samples that nobody has merged, without a report."""
    made = folder_of(tmp_path / "results", measured(4))
    made.append_samples([(1, "process", "cell#1", "rss_bytes", 5.0)])
    return made


def reported(folder: RunFolder, output: Path | None = None, format: str | None = None) -> None:
    commands.report(folder.id, format=format, table=None, output=output, results=folder.path.parent)


@pytest.mark.parametrize("format", [None, "csv", "md", "html", "pytest-benchmark"])
def test_printing_changes_nothing_on_disk(folder: RunFolder, format: str | None) -> None:
    before = snapshot(folder.path.parent)
    reported(folder, format=format)
    assert snapshot(folder.path.parent) == before


def test_printing_loads_neither_pandas_nor_the_charts_library_nor_scipy(folder: RunFolder) -> None:
    code = (
        "import sys; from harness import cli\n"
        f"sys.argv = ['samestep', 'report', {str(folder.path)!r}]\n"
        "with __import__('contextlib').suppress(SystemExit): cli.main()\n"
        "heavy = {'pandas', 'pyarrow', 'vl_convert', 'jinja2', 'scipy', 'docker', 'rich.progress'} & set(sys.modules)\n"
        "print(*heavy, file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Torch" in ended.stdout
    assert ended.stderr.split() == []


def test_printing_ends_with_where_the_page_is(folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    def last_line() -> str:
        reported(folder)
        return capsys.readouterr().out.splitlines()[-1]

    page = folder.report_path / "index.html"
    command = f"{shell.samestep('report')} {folder.path} --output {folder.report_path}"
    assert last_line() == f"No page yet; this makes it: {command}"
    Interim(folder).at_interrupt()
    assert last_line() == f"Report: {page}, without charts so far; this makes it whole: {command}"
    reported(folder, output=folder.report_path)
    assert last_line() == f"Report: {page}"
    os.utime(page, (1, 1))  # a copy
    assert last_line() == f"Report: {page}"
    folder.append(record(block=2, attempt=2))
    assert last_line() == f"Report: {page}, older than the records; this makes it again: {command}"


@pytest.mark.parametrize("said", ["{", "[]", "null", "{}"])
def test_a_page_of_an_older_samestep_is_said_without_a_claim(folder: RunFolder, said: str) -> None:
    write.write_report(folder)
    (folder.report_path / write.MADE_FROM).write_text(said)
    assert write.where(folder) == f"Report: {folder.report_path / 'index.html'}"


def test_the_command_for_a_run_of_another_user_writes_elsewhere(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert write.where(folder).endswith(f"--output report-{folder.id}")


def test_the_whole_report_goes_elsewhere_and_leaves_the_run_alone(folder: RunFolder, tmp_path: Path) -> None:
    before = snapshot(folder.path)
    reported(folder, output=tmp_path / "a b" / "site")
    assert snapshot(folder.path) == before
    written = {str(path.relative_to(tmp_path / "a b" / "site")) for path in (tmp_path / "a b").rglob("*.*")}
    assert {"index.html", "index.md", "steps.md", "csv/steps.csv", write.MADE_FROM} <= written
    copy = tmp_path / "copy" / folder.path.name
    shutil.copytree(folder.path, copy)
    write.write_report(RunFolder(copy))
    for path in written - {"csv"}:
        assert (copy / "report" / path).read_bytes() == (tmp_path / "a b" / "site" / path).read_bytes()


def test_output_and_format_exclude_each_other(folder: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(SelectionError, match="leave --format and --table out"):
        reported(folder, output=tmp_path, format="csv")


def test_a_report_that_cannot_be_written_is_one_sentence(folder: RunFolder) -> None:
    folder.report_path.write_text("a file where the folder should be")
    with pytest.raises(StoreError, match=r"The report cannot be written: .*/report/csv: .*choose another folder"):
        write.write_report(folder)


def test_reports_at_one_time_leave_whole_files_and_nothing_else(folder: RunFolder) -> None:
    code = (
        "import sys; from pathlib import Path; from harness.report import write\n"
        "for turn in range(300): write.write_files(Path(sys.argv[1]), {'a/b.txt': sys.argv[2] * 100_000})"
    )
    target = folder.report_path
    writers = [subprocess.Popen([sys.executable, "-c", code, str(target), letter]) for letter in "xyz"]
    seen: set[str] = set()
    while any(writer.poll() is None for writer in writers):
        with contextlib.suppress(FileNotFoundError):
            seen.add((target / "a" / "b.txt").read_text())
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert seen <= {letter * 100_000 for letter in "xyz"}
    assert [path.name for path in (target / "a").iterdir()] == ["b.txt"]


def test_a_chart_that_fails_leaves_page_and_tables_with_a_sentence(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*of: object) -> None:
        raise RuntimeError("no font\nat all")

    monkeypatch.setattr(every_chart, "steps", fail)
    page = write.write_report(folder).read_text(encoding="utf-8")
    assert "No chart steps.</b> It could not be drawn: RuntimeError: no font." in page
    assert "<svg" in page  # the others
    assert (folder.report_path / "csv" / "steps.csv").is_file()
    assert "samestep: the page lacks the chart steps: RuntimeError: no font." in caplog.text


def test_without_its_library_a_page_has_no_charts_and_says_so_once(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    page = write.write_report(folder).read_text(encoding="utf-8")
    assert "<svg" not in page
    (said,) = (record.getMessage() for record in caplog.records if "charts" in record.getMessage())
    assert said.endswith("lacks its charts: EngineError: vl-convert-python is not installed: `make setup` installs it.")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), StoreError("no"), KeyError("x")])
def test_a_report_that_fails_does_not_end_the_session(
    folder: RunFolder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    tmp_path: Path,
) -> None:
    def fail(*of: object) -> None:
        raise error

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(write, "write_report", fail)
    assert session._report(folder) is None
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("samestep: ")
    assert f"The records are kept: No page yet; this makes it: {shell.samestep('report')}" in line


def test_made_from_is_json_that_names_the_records(folder: RunFolder) -> None:
    write.write_report(folder)
    said = json.loads((folder.report_path / write.MADE_FROM).read_text())
    assert list(itertools.islice(said, 2)) == ["records_sha256", "whole"]
