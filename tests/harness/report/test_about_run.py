"""What the page says of where a run ran, and of what was left out of it."""

from harness.report.summary import about_run
from tests.factories import environment, record, run


def test_the_processors_on_which_replicates_were_seen_stand_beside_the_cpu_set() -> None:
    seen = [record(block=block, environment=environment(ran_on=(cpu,))) for block, cpu in ((1, 2), (2, 1))]
    facts = {fact.name: fact.value for fact in about_run(run(seen, cpus=(1, 2)))}
    assert facts["ran on"] == "CPU 1, 2 (seen on CPU 1, 2), 1 thread each"
    facts = {fact.name: fact.value for fact in about_run(run([record()], cpus=(1,)))}
    assert facts["ran on"] == "CPU 1, 1 thread each"


def test_what_the_selection_left_out_is_on_the_page() -> None:
    sentence = "Left out, named but not there: workload regression (it has size base)."
    facts = {fact.name: fact.value for fact in about_run(run([record()], left_out=sentence))}
    assert facts["selection"] == sentence
    assert "selection" not in {fact.name for fact in about_run(run([record()]))}
