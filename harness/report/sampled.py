"""Samples of one metric, from samples.parquet."""

from pathlib import Path

import pandas as pd


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
