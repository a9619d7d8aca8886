"""Records → tidy DataFrames: one observation a row, for plots and for whoever wants to look further.

replicates   one row per replicate: its median step, first step, peak memory, status
rounds       one row per timed round
losses       one row per step of the gate's run, beside the reference
resident     one row per sample of a replicate's resident memory
taken        one row per sample of one metric
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from bench.record import Record
from harness.report import stats

CELL: Final = ("framework", "mode", "workload", "optimizer", "size", "precision", "device", "allocator", "track")


def replicates(records: Iterable[Record]) -> pd.DataFrame:
    """Return one row per replicate; what it did not measure is missing."""
    return _frame(
        [
            {
                **_who(record),
                "position": record.position,
                "status": record.status,
                "step_ns": stats.step_ns(record.timing) if record.timing else None,
                "first_step_ns": record.timing.first_step_ns if record.timing else None,
                "host_peak_rss_bytes": record.memory.host_peak_rss_bytes if record.memory else None,
                "max_loss_deviation": record.accuracy.max_loss_deviation if record.accuracy else None,
                "wall_ns": record.wall_ns,
            }
            for record in records
        ],
        ("position", "status", "step_ns", "first_step_ns", "host_peak_rss_bytes", "max_loss_deviation", "wall_ns"),
    )


def rounds(records: Iterable[Record]) -> pd.DataFrame:
    """Return one row per timed round, with its time per step in ns."""
    return _frame(
        [
            {**_who(record), "round": number, "step_ns": step}
            for record in records
            if record.timing is not None
            for number, step in enumerate(stats.round_step_ns(record.timing), start=1)
        ],
        ("round", "step_ns"),
    )


def losses(records: Iterable[Record]) -> pd.DataFrame:
    """Return one row per step of the gate's run: loss, reference, |loss - reference| / max(1, |reference|)."""
    return _frame(list(_losses(records)), ("step", "loss", "reference", "deviation"))


def _losses(records: Iterable[Record]) -> Iterator[dict[str, Any]]:
    for record in records:
        if record.accuracy is None:
            continue
        pairs = zip(record.accuracy.losses, record.accuracy.reference_losses, strict=False)
        for step, (loss, reference) in enumerate(pairs, start=1):
            deviation = abs(loss - reference) / max(1.0, abs(reference))
            yield {**_who(record), "step": step, "loss": loss, "reference": reference, "deviation": deviation}


def resident(samples: Path) -> pd.DataFrame:
    """Return the samples of resident memory: cell, block, seconds since the replicate's first sample, bytes.

    Raises:
        OSError: the file cannot be read.
    """
    taken = _metric(samples, "rss_bytes")
    subjects = taken["subject"].cat.categories.to_series()
    names = subjects.str.rsplit("#", n=1, expand=True).reindex(columns=[0, 1])  # of each once, not of each sample
    since = taken["t_ns"] - taken.groupby("subject", observed=True)["t_ns"].transform("min")
    return pd.DataFrame(
        {
            "cell": taken["subject"].map(names[0]).astype(object),
            "block": pd.to_numeric(taken["subject"].map(names[1]).astype(object)).astype("Int64"),
            "seconds": since.astype(np.float64) / 1e9,
            "rss_bytes": taken["value"].astype(np.float64),
        }
    ).reset_index(drop=True)


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


def _who(record: Record) -> dict[str, Any]:
    return {**{name: getattr(record.cell, name) for name in CELL}, "block": record.block}


def _frame(rows: list[dict[str, Any]], measured: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[*CELL, "block", *measured])
