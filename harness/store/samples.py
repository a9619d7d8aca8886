"""The samples of a run on disk: Parquet, read and written in chunks, readable after any crash.

    samples/000001.parquet …   a part: the samples of one replicate
    samples.parquet            the merged file that `merge` makes of the parts, when the report is written

A file gets its name when it is complete on the disk, so a killed run loses only the samples of the replicate that was
running. The metadata of the merged file say which parts it contains. After a crash between the renaming of the merged
file and the removal of the parts, the samples are on disk twice; they are read once.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from bench.records.text import line
from harness.errors import StoreError

if TYPE_CHECKING:
    import pyarrow as pa

Sample = tuple[int, str, str, str, float]  # the columns below

COLUMNS: Final = ("t_ns", "source", "subject", "metric", "value")
MERGED_FILE: Final = "samples.parquet"
PARTS_FOLDER: Final = "samples"
MERGED_TO: Final = b"samestep.merged_to"  # metadata: number of the last part in the merged file
GROUP_ROWS: Final = 1 << 17  # least rows of a row group; at most twice as many are in memory


def taken(samples: Path | None, metric: str) -> pd.DataFrame:
    """Return the samples of one metric: t_ns (Unix time), subject, value; empty where there are none.

    Raises:
        StoreError: the file is damaged, or cannot be read.
    """
    if samples is None:
        return pd.DataFrame({name: [] for name in ("t_ns", "subject", "value")})
    with _readable(samples):
        return _metric(samples, metric)


def all_taken(samples: Path | None) -> pd.DataFrame:
    """Return all samples, in the columns of `COLUMNS`; empty where there are none. Raises as `taken`."""
    import pyarrow.parquet as pq

    if samples is None:
        return pd.DataFrame(columns=list(COLUMNS))
    with _readable(samples), pq.ParquetFile(samples) as file:
        _require_columns(file)
        frame: pd.DataFrame = file.read(columns=list(COLUMNS)).to_pandas()
        return frame


def _metric(samples: Path, metric: str) -> pd.DataFrame:
    """Return t_ns, subject (a categorical) and value of one metric, read a chunk of the file at a time."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    columns = ["t_ns", "subject", "value"]
    with pq.ParquetFile(samples, read_dictionary=["subject", "metric"]) as file:
        _require_columns(file)
        schema = pa.schema([(name, file.schema_arrow.field(name).type) for name in columns])
        batches = file.iter_batches(columns=[*columns, "metric"])
        kept = [batch.filter(pc.equal(batch.column("metric"), metric)).select(columns) for batch in batches]
    taken: pd.DataFrame = pa.Table.from_batches(kept, schema=schema).unify_dictionaries().to_pandas()
    return taken


class Samples:
    """The samples in the folder of a run."""

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
        with _complete_file(path) as temporary:
            pq.write_table(table, temporary)

    def batches(self, columns: Sequence[str] = COLUMNS) -> Iterator["pa.RecordBatch"]:
        """Yield all samples in the order in which they were added, a chunk at a time; text columns are dictionaries.

        Raises:
            StoreError: a file is damaged, or cannot be read.
        """
        import pyarrow.parquet as pq

        for path in self._files():
            with _readable(path), pq.ParquetFile(path, read_dictionary=["source", "subject", "metric"]) as file:
                _require_columns(file)
                yield from file.iter_batches(batch_size=GROUP_ROWS, columns=list(columns))

    def merge(self) -> None:
        """Make one file of all samples; do nothing where there are no new ones. Raises OSError."""
        new = self._new_parts()
        if not new:
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        metadata = {MERGED_TO: str(_number(new[-1])).encode()}
        with (
            _complete_file(self.merged) as temporary,
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
        last_merged = self._merged_to()
        return sorted(path for path in self._parts.glob("*.parquet") if _number(path) > last_merged)

    def _merged_to(self) -> int:
        import pyarrow.parquet as pq

        if not self.merged.is_file():
            return 0
        with _readable(self.merged):
            return int((pq.read_metadata(self.merged).metadata or {}).get(MERGED_TO, 0))


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Raise StoreError, with the remedy, where the file at `path` cannot be read or is no file of samples."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        problem = line(str(error), 200).rstrip(".")
        raise StoreError(f"{path} cannot be read: {problem}. Remove the file: the records do not need it.") from error


def _require_columns(file: Any) -> None:
    """Raise ValueError unless an open Parquet file has the columns of samples."""
    import pyarrow as pa

    schema = file.schema_arrow
    for own in _schema():
        at = schema.get_field_index(own.name)
        if at < 0:
            raise ValueError(f"it has no column {own.name}")
        kind = schema.field(at).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        if not (is_text if own.type == pa.string() else kind == own.type):
            raise ValueError(f"its column {own.name} holds {kind}")


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
        if sum(each.num_rows for each in gathered) >= GROUP_ROWS:
            yield gathered
            gathered = []
    if gathered:
        yield gathered


@contextlib.contextmanager
def _complete_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; the file gets the name `path` when it is complete and on the disk."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
