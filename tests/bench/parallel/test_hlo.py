"""What a program of XLA exchanges is read from its text."""

import pytest

from bench.parallel import _hlo

# as jaxlib 0.10 writes them: a fused exchange of a gradient and a loss, by shard_map and by the partitioner
SHARD_MAP = """
  %all-reduce = (f32[128]{0}, f32[784,128]{1,0}, /*index=5*/f32[]) all-reduce(%ynn_fusion.1, %dot, %multiply), \
channel_id=1, replica_groups={{0,1}}, use_global_device_ids=true, to_apply=%region_8.9, metadata={op_name="psum"}
  %get-tuple-element.20 = f32[128]{0} get-tuple-element(%all-reduce), index=0, metadata={op_name="psum"}
"""
PARTITIONED = """
  ROOT %all-reduce.7 = bf16[10]{0} all-reduce(%dot.5), channel_id=1, \
replica_groups=mesh['axis_0'=2,'axis_1'=3] {'axis_0'}, use_global_device_ids=true, to_apply=%region_6.7.clone
"""
STARTED = """
  %all-gather-start = f32[4,8]{1,0} all-gather-start(%p), channel_id=1, replica_groups=[2,4]<=[8], dimensions={0}
  %all-gather-done = f32[4,8]{1,0} all-gather-done(%all-gather-start)
"""


@pytest.mark.parametrize(
    ("program", "sent"),
    [
        (SHARD_MAP, [("all-reduce", 4 * (128 + 784 * 128 + 1))]),
        (PARTITIONED, [("all-reduce", 2 * 10)]),
        (STARTED, [("all-gather", 4 * 32)]),
        (SHARD_MAP + PARTITIONED, [("all-reduce", 4 * (128 + 784 * 128 + 1)), ("all-reduce", 2 * 10)]),
        ("  %add = f32[128]{0} add(%a, %b)\n", []),
    ],
)
def test_an_exchange_counts_once_with_the_bytes_of_all_its_arrays(program: str, sent: list[tuple[str, int]]) -> None:
    assert _hlo.sent(program) == sent


@pytest.mark.parametrize(
    ("program", "size"),
    [(SHARD_MAP, 2), (PARTITIONED, 2), (STARTED, 4)],
)
def test_the_size_of_the_group_is_read_however_xla_writes_it(program: str, size: int) -> None:
    (group,) = _hlo.groups(program)

    assert _hlo.size_of(group) == size


def test_a_group_that_is_written_in_a_new_way_is_not_guessed() -> None:
    assert _hlo.size_of("new<2>") is None
