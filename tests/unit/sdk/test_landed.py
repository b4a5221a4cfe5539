from __future__ import annotations

import json
from dataclasses import replace
from uuid import UUID

import pytest

from penstock.data.types import Kind
from penstock.errors import ProtocolError
from penstock.sdk.destination import ColumnPlan, Normalisation, TableName, WriteMode
from penstock.sdk.landed import landed, raw_ids
from penstock.testing.feed import batch_of
from penstock.testing.lab import plan_for

KINDS = {"id": Kind.INTEGER, "more": Kind.JSON}
PLAN = plan_for(
    TableName(schema=None, name="t"), KINDS, WriteMode.APPEND, sync_id=42, generation_id=3
)


def test_rows_land_under_the_tables_names_with_penstocks_own_columns() -> None:
    columns = tuple(ColumnPlan(source=n, name=f"c_{n}", kind=k) for n, k in KINDS.items())
    change = [{"field": "id", "change": "NULLED", "reason": "SOURCE_RETRIEVAL_ERROR"}]
    rows = [{"id": 2**53 + 1, "more": '{"a": 1}'}, {"id": None, "more": None}]
    batch = batch_of(PLAN, rows, changes=[None, json.dumps(change)])
    table = landed(batch, replace(PLAN, columns=columns))
    first, second = table.to_pylist()
    assert (first["c_id"], first["c_more"]) == (2**53 + 1, '{"a": 1}')
    assert json.loads(first["_airbyte_meta"]) == {"sync_id": 42, "changes": []}
    assert json.loads(second["_airbyte_meta"]) == {"sync_id": 42, "changes": change}
    assert second["_airbyte_generation_id"] == 3
    assert table.column("_airbyte_extracted_at").equals(batch.column("_airbyte_extracted_at"))


def test_raw_records_land_as_their_text() -> None:
    plan = replace(PLAN, columns=(), normalisation=Normalisation.RAW)
    table = landed(batch_of(plan, [{"_airbyte_data": "{}"}]), plan)
    assert table.column("_airbyte_data").to_pylist() == ["{}"]


def test_a_batch_of_another_shape_is_refused() -> None:
    batch = batch_of(PLAN, [{"id": 1, "more": None}]).drop_columns(["more"])
    with pytest.raises(ProtocolError, match="has the columns"):
        landed(batch, PLAN)


def test_raw_ids_are_uuids_of_version_7_and_all_different() -> None:
    ids = raw_ids(5000)
    assert len(set(ids)) == 5000
    for text in ids[:100]:
        assert (UUID(text).version, str(UUID(text))) == (7, text)
    assert raw_ids(0) == []
