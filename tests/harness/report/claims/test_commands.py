"""The command that each claim names measures what its rule asks for, and the claims without one cannot be measured."""

import dataclasses
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bench.catalogue import Catalogue, catalogue
from bench.records.record import Cell, Memory, Record
from harness.cli import app
from harness.plan import request, selection
from harness.report.claims.all import CLAIMS
from harness.report.claims.claim import Claim
from harness.report.claims.evidence import Evidence
from harness.report.tables.all import tables
from harness.report.tables.claims import ClaimRow
from tests import factories
from tests.factories import record

MEASURED = [claim for claim in CLAIMS if claim.command]
FIELDS = (
    *("framework", "workload", "mode", "size", "optimizer", "measure", "profile", "device", "batch", "stream", "ranks"),
)


@pytest.fixture(scope="module")
def offer() -> Catalogue:
    return catalogue()


def row_of(claim: Claim[Evidence], records: list[Record], offer: Catalogue, device: str = "cpu") -> ClaimRow:
    shown = factories.run(records, frameworks=offer.frameworks, workloads=offer.workloads, device=device)
    return next(row for row in tables(shown).claims.rows if row.id == claim.id)


def planned(claim: Claim[Evidence], offer: Catalogue) -> tuple[Cell, ...]:
    """The cells that its command selects."""
    options = dict(zip(claim.command[::2], claim.command[1::2], strict=True))
    typed: dict[str, Any] = {option.removeprefix("--"): value for option, value in options.items()}
    assert set(typed) <= set(FIELDS)
    asked = request.parsed(**typed)
    profile = selection.profile(asked.profile or request.DEFAULT_PROFILE)
    return selection.cells(offer, asked.selection, profile, asked.device or "cpu")


def measured(cells: tuple[Cell, ...], *, memory: bool) -> Iterator[Record]:
    """What a good run of these cells leaves."""
    for block in range(1, 7):
        for at, cell in enumerate(cells):
            if cell.track == "idiomatic":
                yield dataclasses.replace(factories.idiomatic(cell.framework, block=block, lines=at), cell=cell)
            elif cell.stream:
                yield dataclasses.replace(factories.streamed(mode=cell.mode, block=block, slower=at + 1), cell=cell)
            elif cell.ranks:
                yield dataclasses.replace(factories.ranked(cell.ranks, block=block, step_us=at + 1), cell=cell)
            elif memory:
                held = Memory(context_bytes=1 << 33, device_peak_bytes=1 << 33, allocated_peak_bytes=1 << 33)
                yield record(dataclasses.replace(cell, track="memory"), block=block, memory=held, timing=None)
            else:
                same = factories.accuracy(fingerprint="0" * 64, fingerprint_after="0" * 64)
                yield record(cell, block=block, round_ns=((at + 1) * 10_000,) * 3, accuracy=same)


@pytest.mark.parametrize("claim", MEASURED, ids=lambda claim: claim.id)
def test_a_run_of_its_command_has_cells_for_the_whole_claim(claim: Claim[Evidence], offer: Catalogue) -> None:
    records = list(measured(planned(claim, offer), memory="memory" in claim.command))
    row = row_of(claim, records, offer)
    assert row.verdict is not None
    assert row.measured
    assert "results of" not in row.needs, "nothing that the claim names is missing"


@pytest.mark.parametrize("claim", MEASURED, ids=lambda claim: claim.id)
def test_samestep_takes_its_command_and_leaves_nothing_of_it_out(claim: Claim[Evidence], offer: Catalogue) -> None:
    row = row_of(claim, [record()], offer)
    program, verb, *arguments = shlex.split(row.command)
    assert (program, verb, tuple(arguments)) == ("samestep", "run", claim.command)
    shown = CliRunner().invoke(app, ["plan", *arguments, "--launcher", "here"])
    assert (shown.exit_code, shown.exception) == (0, None)
    assert "no cell" not in shown.output


@pytest.mark.parametrize("claim", MEASURED, ids=lambda claim: claim.id)
def test_its_command_is_for_the_device_of_the_run(claim: Claim[Evidence], offer: Catalogue) -> None:
    command = row_of(claim, [record()], offer, device="cuda").command
    assert command.endswith("--device cuda")
    assert command.count("--device") == 1


def test_a_claim_without_a_command_says_what_samestep_lacks() -> None:
    without = [claim for claim in CLAIMS if not claim.command]
    assert not without
    assert all(claim.why for claim in without)
    assert not any(claim.why for claim in MEASURED)


def test_the_page_of_the_claims_has_every_one_with_its_command() -> None:
    page = (Path(__file__).resolve().parents[4] / "docs/claims.md").read_text(encoding="utf-8")
    for claim in CLAIMS:
        assert f"(`{claim.id}`)" in page
        assert f"**{claim.words}**" in page.replace("\n", " ")
        assert not claim.command or shlex.join(("samestep", "run", *claim.command)) in page.splitlines()
