"""`samestep run --device cuda` on an emulated host, whole: what was measured, and what every report of it says."""

import re
import shutil
from pathlib import Path

import pytest

from harness.compare.render import FORMATS
from harness.host.emulated import CAVEAT
from harness.report.exporters import BINARY, EXPORTERS
from harness.report.tables.all import TABLES
from harness.store.samples import Samples
from tests.emulated.host import CLOCK_MHZ, MODEL, REST_W, USED, UUID, WORK_MW, Host

pytestmark = pytest.mark.xdist_group("the busy host")  # one process makes it, for all of these tests

CONTEXT = 300 << 20  # as in frameworks/emulated.py
SEGMENT = 2 << 20


def test_it_ends_well_and_says_that_nothing_is_real(busy_host: Host) -> None:
    ran = busy_host.ran
    assert ran is not None
    assert ran.code == 0, ran.out + ran.said
    assert ran.out.count(CAVEAT) >= 3, "as it begins, before the tables, with the summary"
    assert ran.out.index(CAVEAT) < ran.out.index("Steps. "), "before the first table"
    assert "Report: " in ran.out
    tracks = ("identical", "memory", "energy")
    assert [(track, one.status, one.reason) for track in tracks for one in busy_host.records(track)] == [
        (track, "ok", "") for track in tracks
    ]


def test_memory_is_seen_from_outside_and_is_the_replicates_own(busy_host: Host) -> None:
    for track in ("identical", "memory", "energy"):
        (record,) = busy_host.records(track)
        observed = record.observation
        assert observed is not None
        assert (observed.gpu, observed.foreign) == (UUID, ())
        assert (observed.device_before_bytes, observed.device_after_bytes) == (USED, USED)
        assert observed.device_reserved_bytes == 600 << 20
        assert observed.device_peak_bytes == USED + CONTEXT + SEGMENT
        assert observed.device_process_peak_bytes == CONTEXT + SEGMENT, "by its PID"


def test_clocks_and_power_are_those_of_the_work(busy_host: Host) -> None:
    (record,) = busy_host.records()
    observed = record.observation
    assert observed is not None
    assert (observed.power_median_mw, observed.power_most_mw) == (WORK_MW, WORK_MW)
    assert (observed.sm_clock_median_mhz, observed.sm_clock_least_mhz) == (CLOCK_MHZ, CLOCK_MHZ)
    assert observed.memory_clock_median_mhz == 2619
    assert observed.power_limit_mw == 700_000
    assert (observed.ecc_corrected, observed.ecc_uncorrected, observed.xids) == (0, 0, ())
    assert observed.clock_events == ("applications clocks setting",), "at rest and while loading it was another"


def test_the_record_names_the_accelerator(busy_host: Host) -> None:
    for track in ("identical", "memory", "energy"):
        (record,) = busy_host.records(track)
        assert record.environment is not None
        assert record.environment.device_name == MODEL


def test_the_energy_of_a_step_is_what_the_counter_counted(busy_host: Host) -> None:
    row = busy_host.energy()
    assert busy_host.has_right_energy(), row
    assert float(row["idle_w"]) == pytest.approx(REST_W, rel=0.05)
    assert float(row["window_s"]) > 5
    assert float(row["energy_run_j"]) > 5 * REST_W
    assert row["caveat"] == CAVEAT


def test_the_tables_of_memory_and_steps_have_their_figures(busy_host: Host) -> None:
    (memory,) = busy_host.table("memory")
    assert int(memory["reserved_peak_bytes"]) == SEGMENT
    assert 0 < int(memory["allocated_peak_bytes"]) < SEGMENT
    assert int(memory["device_peak_bytes"]) >= SEGMENT
    assert int(memory["device_allocations_timed"]) == 0
    assert memory["caveat"] == CAVEAT
    (steps,) = busy_host.table("steps")
    assert float(steps["step_us"]) > 0
    assert (steps["device"], steps["caveat"]) == ("cuda", CAVEAT)
    assert not {"SHARED", "POWERCAP", "UNLOCKED"} & set(steps["flags"].split())


def test_the_samples_follow_the_program_over_time(busy_host: Host) -> None:
    frame = Samples(busy_host.folder).frame()
    used = frame[frame["metric"] == "device_used_bytes"].sort_values("t_ns")["value"]
    assert {USED, USED + CONTEXT + SEGMENT} <= set(used)
    assert {70_000, WORK_MW} <= set(frame[frame["metric"] == "power_mw"]["value"])


def test_the_page_shows_them(busy_host: Host) -> None:
    page = (busy_host.folder / "report" / "index.html").read_text(encoding="utf-8")
    assert CAVEAT in page
    assert f"{MODEL}, driver 580.95.05-emulated" in page
    assert "Line: memory of the GPU, sampled from outside" in page
    pictures = re.findall("<svg.*?</svg>", page, re.DOTALL)
    assert len(pictures) >= 3
    assert all(CAVEAT in picture and "<path" in picture for picture in pictures)


@pytest.mark.parametrize("format", [None, *(name for name in EXPORTERS if name not in BINARY)])
def test_report_says_it_in_every_format(busy_host: Host, format: str | None) -> None:
    ran = busy_host.samestep("report", str(busy_host.folder), *(("--format", format) if format else ()))
    assert ran.code == 0, ran.said
    assert CAVEAT in ran.out


def test_each_table_for_programs_says_it(busy_host: Host) -> None:
    files = sorted((busy_host.folder / "report" / "parquet").glob("*.parquet"))
    assert {file.stem for file in files} == set(TABLES)
    assert all(CAVEAT.encode() in file.read_bytes() for file in files)


@pytest.mark.parametrize("format", [None, *FORMATS])
def test_compare_says_it_in_every_format(busy_host: Host, tmp_path: Path, format: str | None) -> None:
    other = shutil.copytree(busy_host.folder, tmp_path / "other")
    ran = busy_host.samestep("compare", str(busy_host.folder), str(other), *(("--format", format) if format else ()))
    assert ran.code == 0, ran.said
    assert CAVEAT in ran.out


def test_doctor_names_it(host: Host) -> None:
    assert MODEL in host.samestep("doctor").out


def test_samestep_without_the_stand_in_reports_the_run_as_emulated(busy_host: Host) -> None:
    ran = busy_host.samestep("report", str(busy_host.folder), variables={"LD_LIBRARY_PATH": None})
    assert ran.code == 0
    assert CAVEAT in ran.out
