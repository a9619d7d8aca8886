"""Publishing, as a person does it: what is written, what is refused, and that nothing is lost or overwritten."""

import dataclasses
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.errors import SelectionError, StoreError
from harness.publish import add, command, pages
from harness.publish.history import History
from harness.publish.pages import Drawing
from harness.publish.site import MARKER, Site
from harness.report import write
from harness.store.lock import Lock
from tests import factories
from tests.harness.publish.conftest import Publish
from tests.harness.publish.links import broken, dead_ends
from tests.harness.publish.runs import COMPILE, EAGER, written
from tests.harness.report.looked import looked
from tests.harness.report.test_write import snapshot

RUN = "20261120-101500-default"


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


class TestARun:
    def test_gets_a_page_its_data_and_a_place_in_every_list(self, publish: Publish, results: Path, site: Path) -> None:
        folder = written(results)
        assert publish(RUN) == 0
        assert (site / "runs" / RUN / "records.jsonl").read_bytes() == folder.records_path.read_bytes()
        for name in ("run.json", "plan.json", "csv/steps.csv", "index.html"):
            assert (site / "runs" / RUN / name).is_file()
        assert f'href="runs/{RUN}/index.html"' in text(site / "index.html")
        assert f'href="{EAGER.framework}/eager/' not in text(site / "index.html")
        assert "cells/torch/eager/regression-base-adam-float32-cpu-default" in text(site / "cells/index.html")
        assert f"samestep-{RUN}" in text(site / "citations.bib")
        assert list(broken(site)) == []

    def test_of_data_parallel_steps_has_an_address_for_each_number_of_ranks(
        self, publish: Publish, results: Path, site: Path
    ) -> None:
        cells = [
            factories.cell(mode="ddp", ranks=ranks, scaling=scaling)
            for ranks, scaling in ((1, "strong"), (2, "strong"), (2, "weak"))
        ]
        read = {cell: {"parallel": factories.parallel(cell.ranks, cell.scaling)} for cell in cells}
        written(results, cells=(EAGER, *cells), broken=read)
        assert publish(RUN) == 0
        overview = text(site / "cells/index.html")
        for end in ("ranks1-strong", "ranks2-strong", "ranks2-weak"):
            assert f"cells/torch/ddp/regression-base-adam-float32-cpu-default-{end}" in overview
        assert "base, 2 ranks, weak" in overview
        of_cell = text(site / "cells/torch/ddp/regression-base-adam-float32-cpu-default-ranks2-weak/index.html")
        assert "base, 2 ranks, weak</small>" in of_cell
        assert '"ranks":2,"scaling":"weak"' in text(site / "data" / f"{RUN}.js")
        assert list(broken(site)) == []

    def test_shows_the_loop_that_came_into_its_folder_later(
        self, publish: Publish, results: Path, site: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = written(results)
        assert publish(RUN) == 0
        (folder.path / "loop.json").write_text(json.dumps(dataclasses.asdict(looked())), encoding="utf-8")
        assert publish(RUN) == 0
        assert "its page was made again" in capsys.readouterr().out
        assert '<section id="loop">' in text(site / "runs" / RUN / "index.html")
        assert (site / "runs" / RUN / "loop.json").is_file()
        assert publish(RUN) == 0
        assert "is published already" in capsys.readouterr().out

    def test_goes_in_by_its_path_and_as_latest_too(self, publish: Publish, results: Path, site: Path) -> None:
        written(results, "one")
        path = written(results.parent / "elsewhere", "two", day=1).path
        assert publish(path, "latest") == 0
        assert sorted(path.name for path in (site / "runs").iterdir()) == ["one", "two"]

    def test_can_be_compared_from_the_folder_of_the_site(self, publish: Publish, results: Path, site: Path) -> None:
        from harness.store.folder import find
        from harness.validity.results import load

        written(results)
        publish(RUN)
        assert load(find(site / "runs", RUN)).facts.id == RUN

    @pytest.mark.parametrize(
        ("change", "option", "said"),
        [
            ({"steps_us": (100.0, 101.0, 99.0)}, "first_look", r"is a first look \(profile default, 3 blocks\)"),
            (
                {"broken": {COMPILE: {"status": "invalid", "reason": "it fell back."}}},
                "invalid",
                r"has 1 invalid cell \(torch compile regression adam: it fell back\)",
            ),
        ],
        ids=["first look", "invalid"],
    )
    def test_that_is_not_fit_is_refused_unless_told_and_then_says_so(
        self,
        change: dict[str, object],
        option: str,
        said: str,
        publish: Publish,
        results: Path,
        site: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        folder = written(results, **change)  # type: ignore[arg-type]
        assert publish(RUN) == 3
        refused = capsys.readouterr().err
        assert re.search(f"^samestep: {re.escape(str(folder.path))} {said}", refused)
        assert f"--{option.replace('_', '-')} publishes it" in refused
        assert not site.exists()

        assert publish(RUN, **{option: True}) == 0
        chip = "first look" if option == "first_look" else "1 invalid"
        assert chip in text(site / "index.html").split("<tbody>")[1]
        words = (
            "Published as a first look: 3 blocks" if option == "first_look" else "Published with 1 invalid cell: torch"
        )
        assert words in text(site / "runs" / RUN / "index.html")
        assert list(broken(site)) == []

    def test_without_a_record_is_refused(
        self, publish: Publish, results: Path, site: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        written(results).records_path.write_text("")
        assert publish(RUN, first_look=True) == 3
        assert "has no record yet" in capsys.readouterr().err
        assert not site.exists()

    def test_that_cannot_be_read_is_named_with_its_line_and_the_others_are_published(
        self, publish: Publish, results: Path, site: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        damaged = written(results, "damaged")
        lines = damaged.records_path.read_text().splitlines()
        damaged.records_path.write_text("\n".join([*lines[:2], lines[2][:40], *lines[3:]]) + "\n")
        written(results, "good")
        assert publish("damaged", "missing", "good") == 3
        said = capsys.readouterr()
        assert f"{damaged.records_path}, line 3: not JSON" in said.err
        assert "There is no run 'missing'" in said.err
        assert "good: published, 2 cells" in said.out
        assert [path.name for path in (site / "runs").iterdir()] == ["good"]
        assert list(broken(site)) == []


class TestAgain:
    def test_the_same_records_change_nothing(
        self, publish: Publish, results: Path, site: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        written(results)
        publish(RUN)
        before = snapshot(site / "runs")
        assert publish(RUN) == 0
        assert "is published already, with the same records" in capsys.readouterr().out
        assert snapshot(site / "runs") == before

    def test_a_run_that_has_grown_replaces_itself(
        self, publish: Publish, results: Path, site: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = written(results)
        whole = folder.records_path.read_bytes()
        folder.records_path.write_bytes(b"".join(whole.splitlines(keepends=True)[:10]))
        publish(RUN)
        assert "<td" in text(site / "index.html")
        folder.records_path.write_bytes(whole)
        assert publish(RUN) == 0
        assert f"{RUN}: replaced, it has grown by 9 records" in capsys.readouterr().out
        assert (site / "runs" / RUN / "records.jsonl").read_bytes() == whole

    def test_another_run_of_the_same_id_is_refused_with_both_named(
        self, publish: Publish, results: Path, site: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        written(results, cpu="Old")
        publish(RUN)
        before = snapshot(site / "runs")
        other = written(results.parent / "more", seed=43, day=1, cpu="New")
        assert publish(other.path) == 3
        said = capsys.readouterr().err
        assert f"{other.path} (begun 2026-11-21" in said
        assert "on New, 2 CPUs) and the run " + RUN in said
        assert "on Old, 2 CPUs) are two runs with one id" in said
        assert snapshot(site / "runs") == before

    def test_a_run_that_lost_records_is_refused(
        self, publish: Publish, results: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = written(results)
        publish(RUN)
        folder.records_path.write_bytes(b"".join(folder.records_path.read_bytes().splitlines(keepends=True)[:-2]))
        assert publish(RUN) == 3
        assert f"lacks 2 records of the run {RUN}" in capsys.readouterr().err

    def test_anew_makes_pages_again_from_the_site_alone(
        self, publish: Publish, results: Path, site: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        written(results, "Nightly Run")  # which is not what its folder in the site is called
        publish("Nightly Run")
        shutil.rmtree(results)
        (page,) = (site / "runs").glob("*/index.html")
        before = page.read_bytes()
        page.write_text("an older page")
        assert publish(anew=True) == 0
        assert page.read_bytes() == before
        assert "Nightly Run: its page was made again" in capsys.readouterr().out


class TestRemove:
    def test_takes_out_the_run_and_what_only_it_had(self, publish: Publish, results: Path, site: Path) -> None:
        written(results, "one")
        written(results, "two", cells=(EAGER, factories.cell(mode="fused")), day=1)
        publish("one", "two")
        shared = text(site / "cells/torch/eager/regression-base-adam-float32-cpu-default/index.html")
        assert "two" in shared
        assert publish(remove=("two",)) == 0
        assert [path.name for path in (site / "runs").iterdir()] == ["one"]
        assert sorted(path.name for path in (site / "cells/torch").iterdir()) == ["compile", "eager"]
        assert "runs/two" not in text(site / "cells/torch/eager/regression-base-adam-float32-cpu-default/index.html")
        assert "runs/two" not in text(site / "index.html")
        assert list(broken(site)) == []

    def test_of_a_run_that_is_not_there_names_those_that_are(
        self, publish: Publish, results: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        written(results)
        publish(RUN)
        assert publish(remove=("other",)) == 3
        assert f"There is no run 'other' in" in capsys.readouterr().err  # noqa: F541


class TestTheFolder:
    def test_that_has_files_of_others_is_refused_and_left_alone(
        self, publish: Publish, results: Path, site: Path
    ) -> None:
        written(results)
        site.mkdir()
        (site / "index.html").write_text("mine")
        before = snapshot(site)
        with pytest.raises(
            StoreError, match=r"is not a site of samestep: it has files \(index\.html\) and no samestep"
        ):
            publish(RUN)
        assert snapshot(site) == before

    @pytest.mark.parametrize(
        ("marker", "said"),
        [
            ('{"samestep_site": 99, "new": 1}', r"made by a newer samestep \(format 99"),
            ('{"samestep_site": "x"}', "cannot be read: .*samestep_site"),
            ("{", "cannot be read: not JSON"),
        ],
    )
    def test_of_a_newer_samestep_or_damaged_is_refused_and_left_alone(
        self, publish: Publish, results: Path, site: Path, marker: str, said: str
    ) -> None:
        written(results)
        site.mkdir()
        (site / MARKER).write_text(marker)
        before = snapshot(site)
        with pytest.raises(StoreError, match=said):
            publish(RUN)
        assert snapshot(site) == before

    def test_of_a_branch_is_taken_although_git_has_files_there(
        self, publish: Publish, results: Path, site: Path
    ) -> None:
        written(results)
        (site / ".git").mkdir(parents=True)
        assert publish(RUN) == 0

    def test_in_use_is_refused(self, publish: Publish, results: Path, site: Path) -> None:
        written(results)
        publish(RUN)
        lock = Lock(site)
        assert lock.take()
        with pytest.raises(StoreError, match="another samestep publishes there"):
            publish(RUN)
        lock.free()

    def test_keeps_files_that_a_person_adds(self, publish: Publish, results: Path, site: Path) -> None:
        written(results, "one")
        written(results, "two", day=1)
        publish("one")
        (site / "CNAME").write_text("example.org")
        (site / "runs" / "notes").mkdir()
        publish("two")
        assert (site / "CNAME").is_file()
        assert (site / "runs" / "notes").is_dir()

    @pytest.mark.parametrize("typed", ["example.org", "javascript:alert(1)", 'https://a/"x', "https://a/ b"])
    def test_an_address_that_is_none_is_refused(self, publish: Publish, results: Path, typed: str) -> None:
        written(results)
        with pytest.raises(SelectionError, match="--url"):
            publish(RUN, url=typed)

    def test_nothing_asked_for_is_said(self, publish: Publish) -> None:
        with pytest.raises(SelectionError, match="Name the runs to publish"):
            publish()
        with pytest.raises(StoreError, match="is no site yet"):
            publish(remove=("x",))


class TestInterrupted:
    @pytest.mark.parametrize("at", [1, 3, 4, 6, 8, 14, 15, 17, 19])
    def test_at_any_write_a_valid_site_is_left_and_the_next_publish_completes_it(
        self, at: int, publish: Publish, results: Path, site: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        written(results, "one")
        publish("one")
        written(results, "two", cells=(EAGER, factories.cell(mode="fused")), day=1)
        left = [at]
        write = Site.write

        def interrupted(self: Site, name: str, text: str) -> None:
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt
            write(self, name, text)

        with monkeypatch.context() as patch:
            patch.setattr(Site, "write", interrupted)
            try:
                publish("two")
            except KeyboardInterrupt:
                assert dead_ends(site) == []
        assert publish("two") == 0
        assert list(broken(site)) == []
        assert "runs/two" in text(site / "cells/torch/eager/regression-base-adam-float32-cpu-default/index.html")
        assert "runs/two" in text(site / "index.html")

    def test_a_page_is_not_taken_for_what_it_was_before(
        self, publish: Publish, results: Path, site: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Interrupted with a run's histories written, then that run taken out: they show it no more."""
        written(results, "one")
        publish("one")
        written(results, "two", day=1)
        write = Site.write

        def interrupted(self: Site, name: str, text: str) -> None:
            if name == command.LISTS[0]:
                raise KeyboardInterrupt
            write(self, name, text)

        with monkeypatch.context() as patch:
            patch.setattr(Site, "write", interrupted)
            with pytest.raises(KeyboardInterrupt):
                publish("two")
        history = site / "cells/torch/eager/regression-base-adam-float32-cpu-default/index.html"
        assert "runs/two" in text(history)
        publish(remove=("two",))
        assert "runs/two" not in text(history)


class TestAgreement:
    @pytest.mark.parametrize("where", ["csv/steps.csv", "index.html"])
    def test_a_report_that_says_other_than_the_records_is_not_published(
        self,
        where: str,
        publish: Publish,
        results: Path,
        site: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        written(results)

        def other(folder, into):  # type: ignore[no-untyped-def]
            write.write_report(folder, into)
            file = into / where
            assert "100" in text(file)
            file.write_text(re.sub(r"\b100(?=\b)(?!%)", "107", text(file)))

        monkeypatch.setattr(add, "write_report", other)
        assert publish(RUN) == 3
        assert "its records and its report differ" in capsys.readouterr().err
        assert not site.exists()

    def test_records_that_grow_meanwhile_are_not_published(
        self, publish: Publish, results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = written(results)
        copied = add._copied

        def grown(source, to):  # type: ignore[no-untyped-def]
            folder.append(factories.record(EAGER, block=1, attempt=2))
            return copied(source, to)

        monkeypatch.setattr(add, "_copied", grown)
        assert publish(RUN) == 3
        assert "its records grew while they were read" in capsys.readouterr().err


def test_only_pages_that_show_something_new_are_written(
    publish: Publish, results: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(results, "one")
    publish("one")
    written(results, "two", cells=(EAGER,), day=1)
    asked: list[str] = []
    of_cell = pages.of_cell

    def noted(of: History, drawing: Drawing) -> Mapping[str, str]:
        asked.append(of.cell.mode)
        return of_cell(of, drawing)

    monkeypatch.setattr(pages, "of_cell", noted)
    publish("two")
    assert asked == ["eager"]


def test_a_page_that_could_not_be_drawn_is_said_once_and_drawn_the_next_time(
    publish: Publish, results: Path, site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(spec: object, name: str, label: str) -> str:
        raise ValueError("no engine")

    written(results)
    with monkeypatch.context() as patch:
        patch.setattr(pages, "draw", broken)
        assert publish(RUN) == 0
    assert (
        capsys.readouterr().err == "samestep: 2 pages of cells without chart: ValueError: no engine. Publish again.\n"
    )
    history = site / "cells/torch/eager/regression-base-adam-float32-cpu-default/index.html"
    assert "<svg" not in text(history)
    publish(RUN)
    assert "<svg" in text(history)


def test_the_address_and_the_author_are_kept(publish: Publish, results: Path, site: Path) -> None:
    written(results, "one")
    written(results, "two", day=1)
    publish("one", url="https://example.org/r", author='A. "N" \\ {x}')
    publish("two")
    assert json.loads(text(site / MARKER)) == {
        "samestep_site": 1, "url": "https://example.org/r/", "author": 'A. "N" \\ {x}',
    }  # fmt: skip
    bib = text(site / "citations.bib")
    assert "url = {https://example.org/r/runs/two/index.html}" in bib
    assert r"author = {{A. ''N'' \textbackslash{} \{x\}}}" in bib
    assert 'name: "A. \\"N\\" \\\\ {x}"' in text(site / "CITATION.cff")


def test_the_records_of_a_run_are_not_changed(publish: Publish, results: Path) -> None:
    written(results)
    before = snapshot(results)
    publish(RUN)
    assert snapshot(results) == before
