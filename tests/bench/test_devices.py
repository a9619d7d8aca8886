"""A framework says on which devices it computes; on the others its cells are skipped, and nothing of it is started."""

import dataclasses
from pathlib import Path

import pytest

from bench.catalogue import DEVICES, FrameworkError, catalogue, device_lacking, framework_offer
from bench.frameworks import FRAMEWORKS
from tests.bench.protocol.test_replicate import fake, run, turn
from tests.factories import cell

SENTENCE = "NumPy computes on the CPU only; this is a GPU"


def test_numpy_is_for_the_cpu_and_every_other_framework_that_trains_for_both() -> None:
    """An engine, and what is shown for its place in history, may be for the CPU alone."""
    training = [name for name in FRAMEWORKS if framework_offer(name).trains and not framework_offer(name).exhibit]
    assert {name: framework_offer(name).devices for name in training} == {
        **dict.fromkeys(training, DEVICES),
        "numpy": ("cpu",),
    }
    assert device_lacking(framework_offer("numpy"), "cpu") == ""
    assert device_lacking(framework_offer("numpy"), "cuda") == SENTENCE


@pytest.mark.parametrize("literal", ['"cpu"', "()", '("gpu",)', '["cpu"]', "3"])
def test_a_list_of_devices_that_is_none_is_said(literal: str, tmp_path: Path) -> None:
    source = Path(framework_offer.__code__.co_filename).parent / "frameworks" / "numpy.py"
    (tmp_path / "frameworks").mkdir()
    text = source.read_text(encoding="utf-8").replace('DEVICES = ("cpu",)', f"DEVICES = {literal}")
    (tmp_path / "frameworks" / "mine.py").write_text(text, encoding="utf-8")
    with pytest.raises(FrameworkError, match="DEVICES is a tuple of some of cpu, cuda"):
        framework_offer("mine", tmp_path)


def test_a_replicate_on_another_device_skips_itself_before_the_import() -> None:
    framework = fake()
    record = run(framework, turn(cell=cell(framework="numpy", device="cuda")))
    assert (record.status, record.reason) == ("skipped", SENTENCE)
    assert framework.calls == []


def test_an_offer_of_an_older_run_is_for_every_device() -> None:
    fields = {field.name: field.default for field in dataclasses.fields(catalogue().frameworks[0])}
    assert fields["devices"] == DEVICES
