"""The samples of a run on disk: Parquet, written in chunks, never whole in memory, readable after any crash.

    samples/000001.parquet …   one file a replicate, complete when it has its name
    samples.parquet            what `merge` makes of them when the report is written

A file gets its name when it is on the disk, so a killed run loses the samples of the replicate in flight and nothing
else. `merge` notes in the merged file's metadata which parts it holds: between its renaming and the removal of the
parts they are there twice, and are read once.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from harness.errors import StoreError

if TYPE_CHECKING:
    import pyarrow as pa

Sample = tuple[int, str, str, str, float]  # the columns below

COLUMNS: Final = ("t_ns", "source", "subject", "metric", "value")
MERGED_FILE: Final = "samples.parquet"
PARTS_FOLDER: Final = "samples"
MERGED_TO: Final = b"samestep.merged_to"  # metadata: number of the last part that the merged file holds
GROUP_ROWS: Final = 1 << 17  # least rows of a row group; twice as many are the most in memory at one time


def taken(samples: Path | None, metric: str) -> pd.DataFrame:
    """Return the samples of one metric: t_ns (Unix time), subject, value; empty where nothing was sampled.

    Raises:
        OSError: the file cannot be read.
    """
    if samples is None:
        return pd.DataFrame({name: [] for name in ("t_ns", "subject", "value")})
    return _metric(samples, metric)


def _metric(samples: Path, metric: str) -> pd.DataFrame:
    """Return t_ns, subject (a categorical) and value of one metric, read a chunk of the file at a time."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    columns = ["t_ns", "subject", "value"]
    with pq.ParquetFile(samples, read_dictionary=["subject", "metric"]) as file:
        schema = pa.schema([(name, file.schema_arrow.field(name).type) for name in columns])
        batches = file.iter_batches(columns=[*columns, "metric"])
        kept = [one.filter(pc.equal(one.column("metric"), metric)).select(columns) for one in batches]
    taken: pd.DataFrame = pa.Table.from_batches(kept, schema=schema).unify_dictionaries().to_pandas()
    return taken


class Samples:
    """The samples in a run's folder."""

    def __init__(self, folder: Path) -> None:
        self.merged = folder / MERGED_FILE
        self._parts = folder / PARTS_FOLDER

    def append(self, samples: Sequence[Sample]) -> None:
        """Add the samples of one replicate; they are on the disk when this returns. Raises OSError."""
        if not samples:
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_arrays([pa.array(column) for column in zip(*samples, strict=True)], schema=_schema())
        self._parts.mkdir(exist_ok=True)
        numbers = [_number(path) for path in self._parts.glob("*.parquet")]
        path = self._parts / f"{max([self._merged_to(), *numbers]) + 1:06}.parquet"
        with _whole(path) as temporary:
            pq.write_table(table, temporary)

    def batches(self, columns: Sequence[str] = COLUMNS) -> Iterator["pa.RecordBatch"]:
        """Yield all samples in the order they were added, a chunk at a time; text columns are dictionaries.

        Raises:
            OSError: a file cannot be read.
            StoreError: a file is damaged.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        for path in self._files():
            try:
                with pq.ParquetFile(path, read_dictionary=["source", "subject", "metric"]) as file:
                    yield from file.iter_batches(batch_size=GROUP_ROWS, columns=list(columns))
            except pa.ArrowInvalid as error:
                raise StoreError(f"{path}: {error}. Remove the file: the records do not need it.") from error

    def merge(self) -> None:
        """Make one file of all samples; nothing when there are no new ones. Raises OSError."""
        new = self._new_parts()
        if not new:
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        metadata = {MERGED_TO: str(_number(new[-1])).encode()}
        with (
            _whole(self.merged) as temporary,
            pq.ParquetWriter(temporary, _schema().with_metadata(metadata)) as writer,
        ):
            for group in _groups(self.batches()):
                writer.write_table(pa.Table.from_batches(group).cast(_schema()), row_group_size=2 * GROUP_ROWS)
        for path in self._parts.glob("*.parquet"):
            path.unlink()
        with contextlib.suppress(OSError):
            self._parts.rmdir()

    def _files(self) -> list[Path]:
        return [*([self.merged] if self.merged.is_file() else []), *self._new_parts()]

    def _new_parts(self) -> list[Path]:
        held = self._merged_to()
        return sorted(path for path in self._parts.glob("*.parquet") if _number(path) > held)

    def _merged_to(self) -> int:
        import pyarrow.parquet as pq

        if not self.merged.is_file():
            return 0
        return int((pq.read_metadata(self.merged).metadata or {}).get(MERGED_TO, 0))


def _schema() -> Any:
    import pyarrow as pa

    kinds = (pa.int64(), pa.string(), pa.string(), pa.string(), pa.float64())
    return pa.schema(list(zip(COLUMNS, kinds, strict=True)))


def _number(path: Path) -> int:
    return int(path.stem) if path.stem.isdigit() else 0


def _groups(batches: Iterable["pa.RecordBatch"]) -> Iterator[list["pa.RecordBatch"]]:
    """Gather small batches into groups of GROUP_ROWS rows or a little more."""
    gathered: list[pa.RecordBatch] = []
    for batch in batches:
        gathered.append(batch)
        if sum(one.num_rows for one in gathered) >= GROUP_ROWS:
            yield gathered
            gathered = []
    if gathered:
        yield gathered


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Yield where to write a file; it gets its name when it is whole and on the disk."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
