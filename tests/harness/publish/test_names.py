"""Any name becomes a path of its own, which every file system holds; a plain one stays as it is."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.publish.names import cell_folder, segment
from tests.factories import cell

TEXT = st.text(st.characters(codec="utf-8"), max_size=120) | st.sampled_from(
    ["..", ".", "", "con", "Con", "a/b", "A", "a", "a--0123456789ab", "x" * 300, "ß", "ẞ", "\u212b", "å", "a\u0308"]
)


@pytest.mark.parametrize("name", ["20261128-181143-quick", "fit-jit", "keras_tensorflow", "v1.2", "torch"])
def test_a_plain_name_stays(name: str) -> None:
    assert segment(name) == name


def test_a_cell_has_an_address_that_reads_as_the_cell() -> None:
    found = cell_folder(cell(mode="reduce-overhead"))
    assert found == "cells/torch/reduce-overhead/regression-base-adam-float32-cpu-default"
    assert cell_folder(cell(workload="mlp", size="S")) == "cells/torch/eager/mlp-s-adam-float32-cpu-default"
    inferring = cell(workload="mlp", size="S", optimizer="none", batch=256)
    assert cell_folder(inferring) == "cells/torch/eager/mlp-s-none-float32-cpu-default-batch256"
    weak = cell(mode="ddp", workload="mlp", size="S", ranks=2, scaling="weak")
    assert cell_folder(weak) == "cells/torch/ddp/mlp-s-adam-float32-cpu-default-ranks2-weak"


@pytest.mark.parametrize("name", ["..", ".", "", "/etc", "a/../b", "CON", "nul.txt", " a", "a.", "Ä", "x" * 300])
def test_what_a_file_system_cannot_hold_gets_a_digest(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9-]+--[0-9a-f]{12}", segment(name))


@given(TEXT, TEXT)
def test_two_names_never_share_a_path_not_even_without_upper_case(one: str, other: str) -> None:
    folded = [unicodedata.normalize("NFKC", segment(name)).casefold() for name in (one, other)]
    assert (folded[0] == folded[1]) is (one == other)
    assert all(re.fullmatch(r"[a-z0-9_.-]{1,80}", name) and not name.startswith(".") for name in folded)


@given(
    st.lists(
        st.sampled_from(["a", "b", "a-b", "-", "", "a--b", "A", "S", "s", "XL", "xl", "base"]), min_size=6, max_size=6
    )
)
def test_the_parts_of_a_cell_do_not_run_into_each_other(parts: list[str]) -> None:
    fields = dict(zip(("workload", "size", "optimizer", "precision", "device", "allocator"), parts, strict=True))
    shifted = dict(zip(fields, [*parts[1:], parts[0]], strict=True))
    one, other = cell(**fields), cell(**shifted)
    assert (cell_folder(one) == cell_folder(other)) is (one == other)
