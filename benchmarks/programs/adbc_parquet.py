"""ADBC reads a table of PostgreSQL, pyarrow writes the batches as Parquet: nothing else is done."""

from __future__ import annotations

import sys

import adbc_driver_postgresql.dbapi
import pyarrow.parquet as pq

url, table, path = sys.argv[1:]
with (
    adbc_driver_postgresql.dbapi.connect(url) as source,
    source.cursor() as cursor,
):
    cursor.execute(f"SELECT * FROM {table}")
    rows = cursor.fetch_record_batch()
    with pq.ParquetWriter(path, rows.schema, compression="zstd") as writer:
        for batch in rows:
            writer.write_batch(batch)
