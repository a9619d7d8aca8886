"""The samples of a run on disk: Parquet, read and written in chunks, readable after any crash.

    samples/000001.parquet …   a part: the samples of one replicate
    samples.parquet            the merged file that `merge` makes of the parts, when a run ends

A file gets its name when it is complete on the disk, so a killed run loses only the samples of the replicate that was
running. The metadata of the merged file say which parts it contains. After a crash between the renaming of the merged
file and the removal of the parts, the samples are on disk twice; they are read once.

Parts may arrive while others are merged, and both while a third process reads. Their numbers only grow, a merge removes
nothing that it has not merged, and a reader begins again when the merged file was replaced meanwhile.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bench.records.text import line
from harness.errors import StoreError
from harness.store.files import complete_file

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Sample = tuple[int, str, str, str, float]  # the columns below

COLUMNS: Final = ("t_ns", "source", "subject", "metric", "value")
MERGED_FILE: Final = "samples.parquet"
PARTS_FOLDER: Final = "samples"
MERGED_TO: Final = b"samestep.merged_to"  # metadata: number of the last part in the merged file
GROUP_ROWS: Final = 1 << 17  # least rows of a row group; at most twice as many are in memory
ATTEMPTS: Final = 100  # of reading while others merge, and of writing while others remove the empty folder

T = TypeVar("T")


class Samples:
    """The samples in the folder of a run."""

    def __init__(self, folder: Path) -> None:
        self.merged = folder / MERGED_FILE
        self._parts = folder / PARTS_FOLDER

    @property
    def is_empty(self) -> bool:
        """Whether nothing was sampled."""
        return not self.merged.is_file() and not self._part_files()

    def append(self, samples: Sequence[Sample]) -> None:
        """Add the samples of one replicate; they are on the disk when this returns. Raises OSError."""
        if not samples:
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_arrays([pa.array(column) for column in zip(*samples, strict=True)], schema=_schema())

        def write() -> None:
            self._parts.mkdir(exist_ok=True)
            # The parts first: a merge that ends in between has removed parts, and the merged file says how many.
            numbers = [_number(path) for path in self._part_files()]
            path = self._parts / f"{max([*numbers, self._merged_to()]) + 1:06}.parquet"
            # Opened here, as everywhere below: Arrow takes no path that is not UTF-8.
            with complete_file(path) as temporary, temporary.open("wb") as file:
                pq.write_table(table, file)

        _again_when_gone(write)

    def taken(self, metric: str) -> "pd.DataFrame":
        """Return the samples of one metric: t_ns (Unix time), subject (a categorical), value.

        Raises:
            StoreError: a file is damaged, or cannot be read.
        """
        return self._whole(lambda files: _metric(files, metric))

    def frame(self) -> "pd.DataFrame":
        """Return all samples, with the columns `COLUMNS`. Raises OSError, StoreError."""
        import pyarrow as pa

        def read(files: Sequence[Path]) -> "pd.DataFrame":
            batches = list(_batches(files, COLUMNS))
            table = pa.Table.from_batches([batch.cast(_schema()) for batch in batches], schema=_schema())
            frame: pd.DataFrame = table.to_pandas()
            return frame

        return self._whole(read)

    def batches(self, columns: Sequence[str] = COLUMNS) -> Iterator["pa.RecordBatch"]:
        """Yield all samples in the order in which they were added, a chunk at a time; text columns are dictionaries.

        For a folder that nobody merges meanwhile.

        Raises:
            OSError: a file cannot be read.
            StoreError: a file is damaged.
        """
        yield from _batches(self._files(), columns)

    def merge(self) -> None:
        """Make one file of all samples; do nothing where there are no new ones, or where another process does it.

        Raises:
            OSError: a file cannot be read or written.
            StoreError: a file is damaged.
        """
        if not self._parts.is_dir():
            return
        with contextlib.ExitStack() as stack:
            folder = os.open(self.merged.parent, os.O_RDONLY)  # not that of the parts, which another merge removes
            stack.callback(os.close, folder)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            except OSError:  # a file system without locks: the run's own is what keeps others away
                pass
            self._merge()

    def _merge(self) -> None:
        new = self._new_parts()
        if not new:
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        last = _number(new[-1])
        before = [self.merged] if self.merged.is_file() else []
        with (
            complete_file(self.merged) as temporary,
            temporary.open("wb") as file,
            pq.ParquetWriter(file, _schema().with_metadata({MERGED_TO: str(last).encode()})) as writer,
        ):
            for group in _groups(_batches([*before, *new], COLUMNS)):
                writer.write_table(pa.Table.from_batches(group).cast(_schema()), row_group_size=2 * GROUP_ROWS)
        for path in self._part_files():
            if _number(path) <= last:
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # a part has arrived meanwhile
            self._parts.rmdir()

    def _whole(self, read: Callable[[Sequence[Path]], T]) -> T:
        """Return what `read` makes of all files, either those before a merge or those after it."""

        def attempt() -> T:
            before = self._merged_to()
            found = read(self._files())
            if self._merged_to() != before:
                raise FileNotFoundError
            return found

        return _again_when_gone(attempt)

    def _files(self) -> list[Path]:
        return [*([self.merged] if self.merged.is_file() else []), *self._new_parts()]

    def _new_parts(self) -> list[Path]:
        last_merged = self._merged_to()
        return sorted((path for path in self._part_files() if _number(path) > last_merged), key=_number)

    def _part_files(self) -> list[Path]:
        return list(self._parts.glob("*.parquet"))

    def _merged_to(self) -> int:
        import pyarrow.parquet as pq

        if not self.merged.is_file():
            return 0
        with _readable(self.merged), self.merged.open("rb") as file:
            return int((pq.read_metadata(file).metadata or {}).get(MERGED_TO, 0))


def no_samples() -> "pd.DataFrame":
    """Return what `Samples.taken` returns where there are none."""
    import pandas as pd

    return pd.DataFrame({name: [] for name in ("t_ns", "subject", "value")})


def _metric(files: Sequence[Path], metric: str) -> "pd.DataFrame":
    """Return t_ns, subject (a categorical) and value of one metric, read a chunk of the files at a time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = ["t_ns", "subject", "value"]
    kept = [
        batch.filter(pc.equal(batch.column("metric"), metric)).select(columns)
        for batch in _batches(files, (*columns, "metric"), ("subject", "metric"))
    ]
    if not kept:
        return no_samples()
    taken: pd.DataFrame = pa.Table.from_batches(kept).unify_dictionaries().to_pandas()
    return taken


def _batches(
    files: Iterable[Path], columns: Sequence[str], dictionaries: Sequence[str] = ("source", "subject", "metric")
) -> Iterator["pa.RecordBatch"]:
    """Yield the rows of `files`, a chunk at a time; the columns `dictionaries` are dictionaries."""
    import pyarrow.parquet as pq

    for path in files:
        with (
            _readable(path),
            path.open("rb") as opened,
            pq.ParquetFile(opened, read_dictionary=list(dictionaries)) as file,
        ):
            _require_columns(file)
            yield from file.iter_batches(batch_size=GROUP_ROWS, columns=list(columns))


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Raise StoreError, with the remedy, where the file at `path` is no file of samples or cannot be read.

    FileNotFoundError goes on: another process may have merged the file meanwhile.
    """
    import pyarrow as pa

    try:
        yield
    except FileNotFoundError:
        raise
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


def _again_when_gone(action: Callable[[], T]) -> T:
    """Return what `action` returns, which may find that a merge has just removed a file; raises FileNotFoundError."""
    for _ in range(ATTEMPTS - 1):
        with contextlib.suppress(FileNotFoundError):
            return action()
    return action()


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
