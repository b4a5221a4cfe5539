from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from penstock.library.spooling import dataset_of


def reader(rows: int, batch_rows: int = 1_000) -> pa.RecordBatchReader:
    table = pa.table({"id": pa.array(range(rows), pa.int64()), "v": [str(n) for n in range(rows)]})
    return table.to_reader(max_chunksize=batch_rows)


@pytest.mark.parametrize("memory_bytes", [0, 40_000, 1 << 30], ids=["file", "both", "memory"])
def test_rows_are_the_same_wherever_they_wait(memory_bytes: int) -> None:
    found = dataset_of(reader(10_000), 300, memory_bytes=memory_bytes)
    for _ in range(2):
        assert found.to_table().column("id").to_pylist() == list(range(10_000))
    assert max(batch.num_rows for batch in found.to_batches()) <= 300
    assert found.count_rows() == 10_000


def test_a_file_is_gone_at_once_and_its_rows_outlive_the_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    batches = dataset_of(reader(5_000), 1_000, memory_bytes=0).to_batches()
    assert list(tmp_path.iterdir()) == []
    assert sum(batch.num_rows for batch in batches) == 5_000


def test_no_rows_still_have_their_columns() -> None:
    found = dataset_of(reader(0), 100)
    assert found.schema.names == ["id", "v"]
    assert found.count_rows() == 0
