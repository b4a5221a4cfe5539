"""Mappers: what becomes of rows, schema, key and cursor; and what is refused."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from penstock.data.types import Kind, arrow_type, columns_of
from penstock.engine.shaping.documents import StreamShape
from penstock.engine.shaping.shaper import StreamShaper
from penstock.engine.shaping.streams import Shaping
from penstock.errors import ConfigError, DataError, PenstockError, UnknownName
from penstock.protocol.catalog import (
    CatalogStream,
    ConfiguredStream,
    DestinationSyncMode,
    SyncMode,
)

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "email": {"type": "string"},
        "amount": {"type": "number", "airbyte_type": "big_number"},
        "seen": {
            "type": "string",
            "format": "date-time",
            "airbyte_type": "timestamp_with_timezone",
        },
        "tags": {"type": "array"},
    },
}
VALUES: dict[str, list[Any]] = {
    "id": [1, 2, 3],
    "email": ["a@x.org", None, "c@x.org"],
    "amount": [None, None, None],
    "seen": [1_700_000_000_000_000, 1_700_000_000_500_000, None],
    "tags": ["[1]", '{"a": 2}', None],
}


def stream(write: str = "append_dedup") -> ConfiguredStream:
    return ConfiguredStream(
        stream=CatalogStream(
            name="people",
            json_schema=SCHEMA,
            supported_sync_modes=(SyncMode.INCREMENTAL,),
            source_defined_primary_key=(("id",),),
        ),
        sync_mode=SyncMode.INCREMENTAL,
        destination_sync_mode=DestinationSyncMode(write),
        cursor_field=("seen",),
        primary_key=(("id",),),
    )


def batch(changes: list[str | None] | None = None) -> pa.RecordBatch:
    arrays = {}
    for column in columns_of(SCHEMA):
        target = arrow_type(column.kind)
        is_json = column.kind is Kind.JSON
        plain = pa.array(VALUES[column.name], target.storage_type if is_json else target)
        arrays[column.name] = pa.ExtensionArray.from_storage(target, plain) if is_json else plain
    arrays["_airbyte_extracted_at"] = pa.array([0, 0, 0], pa.timestamp("us", tz="UTC"))
    arrays["_airbyte_changes"] = pa.array(changes or [None] * 3, pa.string())
    return pa.record_batch(arrays)


def mapper(kind: str, **configuration: Any) -> dict[str, Any]:
    return {"type": kind, "mapperConfiguration": configuration}


def shaper(*mappers: dict[str, Any], write: str = "append_dedup", **shape: Any) -> StreamShaper:
    document = {"name": "people", "mappers": list(mappers), **shape}
    return StreamShaper(stream(write), msgspec.convert(document, StreamShape))


def landed(*mappers: dict[str, Any], **shape: Any) -> dict[str, list[Any]]:
    made = shaper(*mappers, **shape)
    found = made.apply(batch())
    properties = made.landing.stream.json_schema["properties"]
    assert found.schema.names[: len(properties)] == list(properties)
    for column in columns_of(made.landing.stream.json_schema):
        assert found.schema.field(column.name).type == column.arrow_type
    made.close()
    values: dict[str, list[Any]] = found.to_pydict()
    return values


@pytest.mark.parametrize("method", ["MD5", "SHA-1", "SHA-224", "SHA-256", "SHA-384", "SHA-512"])
def test_hashing_gives_the_digest_of_the_text_and_keeps_null(method: str) -> None:
    digest = hashlib.new(method.replace("-", "").lower(), b"a@x.org").hexdigest()
    found = landed(mapper("hashing", targetField="email", method=method))
    assert found["email_hashed"][:2] == [digest, None]
    assert "email" not in found


def test_an_instant_is_hashed_as_its_iso_text() -> None:
    found = landed(mapper("hashing", targetField="seen"), write="append")
    expected = [b"2023-11-14T22:13:20Z", b"2023-11-14T22:13:20.5Z"]
    assert found["seen_hashed"][:2] == [hashlib.sha256(text).hexdigest() for text in expected]


def test_renaming_moves_key_cursor_and_recorded_changes_along() -> None:
    made = shaper(
        mapper("field-renaming", originalFieldName="id", newFieldName="person"),
        mapper("field-renaming", originalFieldName="seen", newFieldName="last_seen"),
    )
    assert made.landing.effective_primary_key() == (("person",),)
    assert made.landing.effective_cursor() == ("last_seen",)
    change = '[{"field":"id","change":"NULLED","reason":"x"}]'
    found = made.apply(batch([change, None, None])).to_pydict()
    assert json.loads(found["_airbyte_changes"][0])[0]["field"] == "person"
    assert found["person"] == [1, 2, 3]


def test_dropping_a_field_drops_what_was_recorded_of_it() -> None:
    made = shaper(mapper("field-filtering", targetField="email"))
    change = '[{"field":"email","change":"NULLED","reason":"x"}]'
    found = made.apply(batch([change, None, None])).to_pydict()
    assert found["_airbyte_changes"] == [None] * 3
    assert "email" not in found


@pytest.mark.parametrize(
    ("conditions", "ids"),
    [
        ({"type": "EQUAL", "fieldName": "email", "comparisonValue": "a@x.org"}, [1]),
        (
            {
                "type": "NOT",
                "conditions": [
                    {"type": "EQUAL", "fieldName": "email", "comparisonValue": "a@x.org"}
                ],
            },
            [2, 3],
        ),
        ({"type": "EQUAL", "fieldName": "id", "comparisonValue": "2"}, [2]),
        ({"type": "EQUAL", "fieldName": "email", "comparisonValue": "it's'; DROP"}, []),
    ],
)
def test_rows_are_filtered_and_null_equals_nothing(conditions: Any, ids: list[int]) -> None:
    assert landed(mapper("row-filtering", conditions=conditions))["id"] == ids


def test_sql_computes_filters_and_replaces_in_order() -> None:
    found = landed(
        mapper("sql-field", targetField="domain", expression="split_part(email, '@', 2)"),
        mapper("sql-field", targetField="pair", expression="[id, id + 1]"),
        mapper("sql-field", targetField="email", expression="upper(email) -- shouted"),
        mapper("sql-filter", expression="id <> 2"),
    )
    assert found["domain"] == ["x.org", "x.org"]
    assert [json.loads(text) for text in found["pair"]] == [[1, 2], [3, 4]]
    assert found["email"] == ["A@X.ORG", "C@X.ORG"]


def test_encryption_can_be_read_with_the_key_and_never_repeats(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = bytes(range(32))
    monkeypatch.setenv("FIELD_KEY", key.hex())
    cipher = mapper("encryption", algorithm="AES", targetField="email", key="${env:FIELD_KEY}")
    texts = [landed(cipher)["email_encrypted"][0] for _ in range(2)]
    assert texts[0] != texts[1]
    for text in texts:
        whole = bytes.fromhex(text)
        assert AESGCM(key).decrypt(whole[:12], whole[12:], None) == b"a@x.org"


def test_only_chosen_fields_are_asked_for() -> None:
    made = shaper(fields=["id", "seen"])
    assert list(made.configured.stream.json_schema["properties"]) == ["id", "seen"]


def test_a_hashed_key_still_tells_rows_apart() -> None:
    made = shaper(mapper("hashing", targetField="id"))
    assert made.landing.effective_primary_key() == (("id_hashed",),)


@pytest.mark.parametrize(
    ("mappers", "shape", "kind", "words"),
    [
        ([mapper("hashing", targetField="emial")], {}, UnknownName, "email"),
        ([mapper("hashing", targetField="email", method="MD2")], {}, ConfigError, "MD2"),
        ([mapper("hashing", targetField="seen")], {}, ConfigError, "cursor"),
        ([mapper("field-filtering", targetField="id")], {}, ConfigError, "primary key"),
        (
            [mapper("field-renaming", originalFieldName="id", newFieldName="email")],
            {},
            ConfigError,
            "already",
        ),
        ([mapper("sql-field", targetField="x", expression="nothing + 1")], {}, ConfigError, "x"),
        ([mapper("sql-filter", expression="id")], {}, ConfigError, "condition"),
        (
            [mapper("sql-field", targetField="x", expression="1); DROP TABLE x; SELECT (1")],
            {},
            ConfigError,
            "one statement",
        ),
        (
            [mapper("sql-field", targetField="x", expression="(FROM read_text('/etc/passwd'))")],
            {},
            ConfigError,
            "disabled",
        ),
        ([], {"fields": ["email", "seen"]}, ConfigError, "primary key"),
        (
            [mapper("encryption", algorithm="AES", targetField="email", key="ab")],
            {},
            ConfigError,
            "openssl",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_a_remedy(
    mappers: list[dict[str, Any]], shape: dict[str, Any], kind: type[PenstockError], words: str
) -> None:
    with pytest.raises(kind) as found:
        shaper(*mappers, **shape)
    assert words in str(found.value)
    assert "people" in str(found.value)


def test_an_expression_that_fails_for_a_row_names_itself() -> None:
    made = shaper(mapper("sql-field", targetField="x", expression="CAST(email AS INTEGER)"))
    with pytest.raises(DataError, match="CAST"):
        made.apply(batch())


def test_an_expression_that_makes_rows_is_refused() -> None:
    made = shaper(mapper("sql-field", targetField="x", expression="unnest([1, 2])"))
    with pytest.raises(ConfigError, match="values for"):
        made.apply(batch())


def test_a_shape_of_an_unknown_stream_is_refused() -> None:
    with pytest.raises(UnknownName, match="poeple"):
        Shaping([stream()], [StreamShape(name="poeple")])


def test_raw_rows_cannot_be_mapped() -> None:
    shape = msgspec.convert(
        {"name": "people", "mappers": [mapper("hashing", targetField="email")]}, StreamShape
    )
    with pytest.raises(ConfigError, match="raw"):
        Shaping([stream()], [shape], is_raw=True)
