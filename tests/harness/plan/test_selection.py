"""What was typed becomes cells, or one sentence with the nearest valid names."""

import re
from dataclasses import replace
from typing import Any

import pytest

from bench.catalogue import Catalogue, FrameworkOffer, ModeOffer, PipelineOffer, WorkloadOffer, catalogue
from bench.records.record import Cell
from harness.errors import SelectionError
from harness.host import processors
from harness.plan import left_out, selection
from harness.plan.planner import with_companions
from harness.plan.profiles import PROFILES, TODAY
from harness.plan.request import parsed
from harness.plan.selection import Selection


def offer() -> Catalogue:
    def framework(name: str, *modes: str, hello: str = "") -> FrameworkOffer:
        offers = tuple(ModeOffer(name=mode, sentence="") for mode in modes)
        return FrameworkOffer(name=name, title=name, modes=offers, baseline=modes[0], hello=hello)

    return Catalogue(
        frameworks=(
            framework("torch", "eager", "compile", hello="import torch"),
            framework("jax", "op-by-op", "jit"),
        ),
        workloads=(WorkloadOffer(name="regression", sentence="", sizes=("base",), optimizers=("adam", "sgd")),),
    )


def chosen(profile: str = "quick", **requested: Any) -> list[tuple[str, str, str]]:
    cells = selection.cells(offer(), parsed(**requested).selection, PROFILES[profile], "cpu")
    return [(cell.framework, cell.mode, cell.optimizer) for cell in cells]


def test_nothing_named_is_everything_of_the_profile() -> None:
    assert chosen() == [
        ("torch", "eager", "adam"),
        ("torch", "compile", "adam"),
        ("torch", "hello", "adam"),
        ("jax", "op-by-op", "adam"),
        ("jax", "jit", "adam"),
    ]
    assert len(chosen("default")) == 9  # SGD too, but the hello world is run once


def test_names_are_separated_by_commas() -> None:
    assert chosen(framework="jax, torch", mode="jit,compile") == [
        ("torch", "compile", "adam"),
        ("jax", "jit", "adam"),
    ]


def test_the_hello_world_is_a_mode_of_the_idiomatic_track() -> None:
    (cell,) = selection.cells(offer(), parsed(mode="hello").selection, PROFILES["quick"], "cpu")
    assert (cell.framework, cell.track) == ("torch", "idiomatic")


@pytest.mark.parametrize(
    ("requested", "message"),
    [
        ({"framework": "torhc"}, "no framework 'torhc'. Did you mean torch?.* Valid: torch, jax."),
        ({"workload": "regresion"}, "no workload 'regresion'. Did you mean regression?"),
        ({"mode": "compiled"}, "no mode 'compiled'. Did you mean compile?"),
        ({"optimizer": "adan"}, "no optimizer 'adan'. Did you mean adam?"),
        ({"precision": "bf16"}, "no precision 'bf16'. Did you mean bfloat16?.* Valid: float32, tf32, bfloat16."),
        ({"framework": ","}, "names nothing"),
        ({"framework": "jax", "mode": "compile"}, "The selection is empty: no cell has framework jax; mode compile."),
        ({"framework": "jax", "mode": "hello"}, "The selection is empty"),
    ],
)
def test_what_is_unknown_or_empty_is_one_sentence(requested: dict[str, str], message: str) -> None:
    with pytest.raises(SelectionError, match=message):
        chosen(**requested)


def test_an_unknown_profile_names_the_nearest() -> None:
    with pytest.raises(SelectionError, match=r"no profile 'quik'. Did you mean quick\?"):
        selection.profile("quik")


@pytest.mark.parametrize(
    "typed",
    ["", "a", "0-", "-1", "0-x", "9999", "1-", "3-1", "0x1", "1,,2", "٣", "1 2", "1.0", "9" * 5000, "x" * 5000],
    ids=lambda typed: typed[:5],
)
def test_a_cpu_set_that_is_none_or_not_here_is_refused(typed: str) -> None:
    with pytest.raises(SelectionError):
        processors.cpu_set(typed)


def test_a_huge_cpu_set_is_not_counted_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1})
    with pytest.raises(SelectionError, match=r"CPU 2 cannot be used here; usable: 0, 1\."):
        processors.cpu_set("0-999999999999")
    assert processors.cpu_set("0,0-1, 1") == (0, 1)


def test_a_cpu_set_is_a_list_of_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)))
    assert processors.cpu_set("1-3,6,2") == (1, 2, 3, 6)


def ladder() -> Catalogue:
    """The offer, with a workload in a ladder of sizes beside the regression, and modes that are not on it."""
    rungs = WorkloadOffer(
        name="mlp", sentence="", sizes=("tiny", "S", "M", "L"), optimizers=("adam", "sgd"),
        sizes_on_cpu=("S", "M"), sizes_on_cuda=("M", "L"),
    )  # fmt: skip
    (torch, *others) = offer().frameworks
    eager, compiled = torch.modes
    torch = replace(torch, modes=(eager, replace(compiled, on_ladders=False)))
    return replace(offer(), frameworks=(torch, *others), workloads=(*offer().workloads, rungs))


def rungs(device: str = "cpu", **requested: Any) -> list[tuple[str, ...]]:
    cells = selection.cells(ladder(), parsed(**requested).selection, PROFILES["quick"], device)
    return [(cell.framework, cell.mode, cell.workload, cell.size) for cell in cells]


def test_a_ladder_runs_when_it_is_named_in_its_own_modes_and_the_sizes_of_the_device() -> None:
    assert {workload for _, _, workload, _ in rungs()} == {"regression"}
    assert rungs(workload="mlp", framework="torch") == [("torch", "eager", "mlp", "S"), ("torch", "eager", "mlp", "M")]
    assert {size for *_, size in rungs("cuda", workload="mlp")} == {"M", "L"}
    assert rungs(workload="mlp", framework="torch", mode="compile", size="tiny") == [
        ("torch", "compile", "mlp", "tiny")
    ]


def test_precisions_are_axes_of_a_cell_and_the_hello_world_has_one() -> None:
    def precisions(**requested: Any) -> list[tuple[str, str]]:
        cells = selection.cells(offer(), parsed(framework="torch", **requested).selection, PROFILES["quick"], "cpu")
        return [(cell.mode, cell.precision) for cell in cells]

    assert set(precisions()) == {("eager", "float32"), ("compile", "float32"), ("hello", "float32")}
    assert precisions(precision="bfloat16,tf32", mode="eager") == [("eager", "bfloat16"), ("eager", "tf32")]
    assert "hello" not in dict(precisions(precision="bfloat16"))


def test_a_size_that_does_not_exist_is_refused_with_the_valid_ones() -> None:
    with pytest.raises(SelectionError, match=r"There is no size 'XXL'\. .*Valid: .*tiny, S, M, L"):
        rungs(workload="mlp", size="XXL")
    with pytest.raises(SelectionError, match="no cell has workload regression; size S"):
        rungs(workload="regression", size="S")


class TestBatches:
    """With a batch the cells infer with the trained model, in frameworks and engines alike."""

    def offer(self) -> Catalogue:
        plain = offer()
        from_torch = ModeOffer(name="from-torch", sentence="", source="torch", format="onnx")
        engines = (
            FrameworkOffer(name="runtime", title="", modes=(from_torch,), baseline=""),
            FrameworkOffer(name="engine", title="", modes=(from_torch,), baseline="", trains=False),
        )
        ladder: dict[str, Any] = {"sizes": ("tiny", "S"), "sizes_on_cpu": ("S",), "sizes_on_cuda": ("S",)}
        workloads = (
            WorkloadOffer(name="mlp", sentence="", optimizers=("adam", "none"), infers=True, **ladder),
            WorkloadOffer(name="pointwise", sentence="", optimizers=("adam", "none"), **ladder),
        )
        return replace(plain, frameworks=(*plain.frameworks, *engines), workloads=(*plain.workloads, *workloads))

    def cells(self, profile: str = "quick", **requested: Any) -> tuple[Cell, ...]:
        return selection.cells(self.offer(), parsed(**requested).selection, PROFILES[profile], "cpu")

    def test_every_mode_infers_with_what_is_trained_and_nothing_else_runs(self) -> None:
        cells = self.cells(batch="256,1")
        assert {(cell.workload, cell.size, cell.optimizer) for cell in cells} == {("mlp", "S", "none")}
        assert [(cell.framework, cell.mode, cell.batch) for cell in cells] == [
            (framework, mode, batch)
            for framework, mode in (
                ("torch", "eager"), ("torch", "compile"), ("jax", "op-by-op"), ("jax", "jit"),
                ("runtime", "from-torch"), ("engine", "from-torch"),
            )
            for batch in (1, 256)
        ]  # fmt: skip

    def test_an_engine_is_in_a_run_that_names_it_or_a_batch(self) -> None:
        assert "engine" not in {cell.framework for cell in self.cells()}
        assert "runtime" in {cell.framework for cell in self.cells()}
        assert {cell.framework for cell in self.cells(framework="engine")} == {"engine"}
        assert {"engine", "runtime", "torch", "jax"} == {cell.framework for cell in self.cells("look", batch="1")}

    def test_a_mode_of_one_precision_runs_in_it_and_no_other_mode_does(self) -> None:
        int8 = ModeOffer(name="from-torch-int8", sentence="", source="torch", format="onnx", precision="int8")
        *others, engine = self.offer().frameworks
        quantised = replace(self.offer(), frameworks=(*others, replace(engine, modes=(*engine.modes, int8))))

        def found(**requested: Any) -> set[tuple[str, str]]:
            named = parsed(batch="1", framework="torch,engine", **requested).selection
            cells = selection.cells(quantised, named, PROFILES["quick"], "cpu")
            return {(cell.mode, cell.precision) for cell in cells}

        plain = {("eager", "float32"), ("compile", "float32"), ("from-torch", "float32")}
        assert found() == {*plain, ("from-torch-int8", "int8")}
        assert found(precision="int8") == {("from-torch-int8", "int8")}
        assert found(precision="float32") == plain

    def test_a_mode_that_changes_the_model_runs_at_a_batch_alone(self) -> None:
        """Without one, the model that is inferred is the regression, of which nothing can be lost."""
        int8 = ModeOffer(name="from-torch-int8", sentence="", source="torch", format="onnx", precision="int8")
        torch, jax, runtime, engine = self.offer().frameworks
        changed = replace(self.offer(), frameworks=(torch, jax, replace(runtime, modes=(*runtime.modes, int8)), engine))

        def found(**requested: Any) -> set[str]:
            named = parsed(framework="runtime", **requested).selection
            return {cell.mode for cell in selection.cells(changed, named, PROFILES["quick"], "cpu")}

        assert found(workload="regression") == {"from-torch"}
        assert found(batch="1") == {"from-torch", "from-torch-int8"}

    def test_without_a_batch_no_model_of_a_ladder_is_exported(self) -> None:
        assert {cell.workload for cell in self.cells(framework="runtime", workload="mlp,regression")} == {"regression"}

    @pytest.mark.parametrize("typed", ["0", "-1", "1.5", "x", "٣", "65537", "1" * 5000])
    def test_what_is_no_number_of_rows_is_one_sentence(self, typed: str) -> None:
        with pytest.raises(SelectionError, match=r"^--batch '.{1,80}' is not a number of rows from 1 to 65536\.$"):
            self.cells(batch=typed)

    def test_an_optimizer_that_trains_contradicts_it(self) -> None:
        with pytest.raises(SelectionError, match="--optimizer adam trains: leave one of them out"):
            self.cells(batch="1", optimizer="adam")
        assert self.cells(batch="1", optimizer="none") == self.cells(batch="1")

    def test_a_workload_that_is_not_inferred_at_a_batch_is_left_out_and_said(self) -> None:
        named = parsed(batch="1", workload="mlp,pointwise").selection
        cells = selection.cells(self.offer(), named, PROFILES["quick"], "cpu")
        assert left_out.sentence(self.offer(), named, cells, ("time",)).startswith(
            "Left out, named but not there: workload pointwise"
        )
        assert (
            left_out.sentence(self.offer(), parsed(batch="1,256").selection, self.cells(batch="1,256"), ("time",)) == ""
        )


class TestStream:
    def offer(self) -> Catalogue:
        pipelines = (
            PipelineOffer(name="memory", sentence="", format="memory"),
            PipelineOffer(name="records-0", sentence="", format="records"),
        )
        torch, jax = offer().frameworks
        works = [
            WorkloadOffer(
                name=name, sentence="", sizes=("tiny", "S", "M"), optimizers=("adam", "sgd"), sizes_on_cpu=("S", "M"),
                streams=name == "mlp",
            )
            for name in ("mlp", "pointwise")
        ]  # fmt: skip
        return Catalogue(frameworks=(replace(torch, pipelines=pipelines), jax), workloads=tuple(works))

    def cells(self, **requested: Any) -> tuple[Cell, ...]:
        return selection.cells(self.offer(), parsed(**requested).selection, PROFILES["look"], "cpu")

    def test_the_modes_are_pipelines_at_the_smallest_size_with_adam(self) -> None:
        found = self.cells(stream="64MB")
        assert [(cell.framework, cell.mode, cell.workload) for cell in found] == [
            ("torch", "memory", "mlp"),
            ("torch", "records-0", "mlp"),
        ]
        assert {(cell.size, cell.optimizer, cell.stream, cell.track) for cell in found} == {
            ("S", "adam", "64MB", "stream")
        }

    def test_what_is_named_is_taken(self) -> None:
        found = self.cells(stream="1GB,64MB", mode="records-0", size="M", optimizer="sgd")
        assert [(cell.mode, cell.size, cell.optimizer, cell.stream) for cell in found] == [
            ("records-0", "M", "sgd", "64MB"),
            ("records-0", "M", "sgd", "1GB"),
        ]

    def test_without_it_there_are_no_pipelines(self) -> None:
        with pytest.raises(SelectionError, match="There is no mode 'records-0'"):
            self.cells(mode="records-0")
        assert not any(cell.stream for cell in self.cells(workload="mlp"))

    @pytest.mark.parametrize(
        ("requested", "message"),
        [
            ({"stream": "64"}, "There is no stream '64'. Did you mean 64MB"),
            ({"stream": "64MB", "mode": "eager"}, "There is no mode 'eager'"),
            ({"stream": "64MB", "batch": "1"}, "--batch infers and --stream trains: leave one of them out."),
            ({"stream": "64MB", "workload": "pointwise"}, "The selection is empty"),
        ],
    )
    def test_what_cannot_be_is_a_sentence(self, requested: dict[str, str], message: str) -> None:
        with pytest.raises(SelectionError, match=re.escape(message)):
            self.cells(**requested)

    def test_it_has_no_companions(self) -> None:
        cells = self.cells(stream="64MB")
        found = with_companions(cells, self.offer(), 6, PROFILES["default"], ())
        assert found == cells


class TestEras:
    """What is shown for its place in history takes part only where it or its period is named."""

    OFFER = catalogue()
    EXHIBIT = frozenset(offer.name for offer in OFFER.frameworks if offer.exhibit)

    def found(self, profile: str = "look", **names: tuple[str, ...]) -> dict[str, set[str]]:
        modes: dict[str, set[str]] = {}
        for cell in selection.cells(self.OFFER, Selection(**names), PROFILES[profile], "cpu"):
            modes.setdefault(cell.framework, set()).add(cell.mode)
        return modes

    @pytest.mark.parametrize("names", [{}, {"mode": ("session", "batch")}, {"workload": ("regression",)}])
    @pytest.mark.parametrize("profile", PROFILES)
    def test_by_default_none_does(self, profile: str, names: dict[str, tuple[str, ...]]) -> None:
        assert self.EXHIBIT
        assert not self.EXHIBIT & self.found(profile, **names).keys()

    def test_one_that_is_named_runs_alone_in_all_of_its_modes(self) -> None:
        assert self.found(framework=("theano",)) == {"theano": {"fast-run", "fast-compile"}}

    def test_all_eras_run_beside_the_main_modes_of_today(self) -> None:
        found = self.found(era=("all",))
        assert found.keys() == self.EXHIBIT | TODAY.keys()
        assert {name: found[name] - {"hello"} for name in TODAY} == {name: set(modes) for name, modes in TODAY.items()}

    def test_a_period_names_its_own(self) -> None:
        found = self.found(era=("precursors",)).keys() & self.EXHIBIT
        assert found == {
            offer.name for offer in self.OFFER.frameworks if offer.exhibit and offer.period == "precursors"
        }
        assert "theano" in found
        assert "torch1" not in found

    def test_what_is_no_era_is_refused(self) -> None:
        with pytest.raises(SelectionError, match="There is no era 'wars'"):
            self.found(era=("wars",))
