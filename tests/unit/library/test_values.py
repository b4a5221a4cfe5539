"""Records, documents, states, names of errors: the library's values, without a source."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from penstock.engine.identity import source_connection_name
from penstock.errors import (
    AccessDenied,
    ConfigError,
    ConnectorFailed,
    PenstockError,
    ResourceBusy,
    TransientError,
)
from penstock.library import exceptions as exc
from penstock.library.constants import AB_INTERNAL_COLUMNS
from penstock.library.documents import documents_of
from penstock.library.records import StreamRecord
from penstock.library.states import states_as_documents, states_from
from penstock.protocol.spec import ConnectorSpec

STATE = {"type": "STREAM", "stream": {"stream_descriptor": {"name": "s"}, "stream_state": {"a": 1}}}


@given(some.dictionaries(some.text(), some.integers()))
def test_a_record_holds_what_it_was_given(data: dict[str, int]) -> None:
    assert dict(StreamRecord(data, with_internal_columns=False)) == data
    assert StreamRecord(data).without_internal_columns() == {
        key: value for key, value in data.items() if key not in AB_INTERNAL_COLUMNS
    }


def test_a_record_finds_a_key_whatever_its_case() -> None:
    record = StreamRecord({"Id": 1, "name": "x"}, expected_keys=["Id", "name", "absent"])
    assert record["ID"] == record["id"] == record["Id"] == 1
    assert record["absent"] is None
    assert "NAME" in record
    assert record.get("nothing", 5) == 5
    record["ID"] = 2
    assert record["Id"] == 2
    assert list(record)[:3] == ["Id", "name", "absent"]
    del record["NAME"]
    assert "name" not in record
    record.update(Later=3)
    assert record["LATER"] == 3
    assert StreamRecord({"A": 1}, with_internal_columns=False) == {"a": 1}


def test_a_document_has_title_text_and_metadata() -> None:
    rows = [{"id": 1, "tenant": "a", "title": "T", "body_text": "B", "at": "2024-01-02T00:00:00Z"}]
    (document,) = documents_of(
        rows,
        title_property="title",
        content_properties=["body_text", "at"],
        metadata_properties=["id"],
        render_metadata=True,
        primary_key=["tenant", "id"],
        cursor="at",
    )
    assert str(document) == (
        "# T\n\n```yaml\nid: 1\n```\n\n## Body Text\n\nB\n\n## At\n\n2024-01-02T00:00:00Z\n"
    )
    assert document.id == "a:1"
    assert document.page_content == document.content
    assert document.last_modified == dt.datetime(2024, 1, 2, tzinfo=dt.UTC)


def test_a_document_of_an_unknown_property_is_refused() -> None:
    with pytest.raises(exc.PyAirbyteInputError, match="'nope'"):
        list(documents_of([{"id": 1}], title_property="nope"))


@pytest.mark.parametrize("form", ["list", "one", "text", "bytes", "file"])
def test_a_state_is_taken_in_any_form(form: str, tmp_path: Path) -> None:
    text = json.dumps([STATE])
    (tmp_path / "state.json").write_text(text)
    given_as = {
        "list": [STATE],
        "one": STATE,
        "text": text,
        "bytes": text.encode(),
        "file": tmp_path / "state.json",
    }[form]
    assert states_as_documents(states_from(given_as) or ()) == [STATE]


def test_no_state_stays_none_and_nonsense_is_refused() -> None:
    assert states_from(None) is None
    assert states_from([]) == ()
    with pytest.raises(exc.PyAirbyteInputError):
        states_from([{"a": object()}])


@pytest.mark.parametrize(
    "error",
    [
        AccessDenied("m", remedy="r", connector="c"),
        ConfigError("m", remedy="r"),
        TransientError("m", remedy="r", wait_seconds=7.0),
        ConnectorFailed("m", remedy="r", exit_code=3, stderr="last words"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_caught_by_either_name(error: PenstockError) -> None:
    renamed = exc.as_named(error, exc.AirbyteConnectorCheckFailedError)
    assert isinstance(renamed, exc.AirbyteConnectorCheckFailedError)
    assert isinstance(renamed, type(error))
    assert type(renamed).__name__ == "AirbyteConnectorCheckFailedError"
    assert (renamed.message, renamed.guidance, renamed.code) == ("m", "r", error.code)
    assert renamed.exit_status == error.exit_status
    assert getattr(renamed, "wait_seconds", None) == getattr(error, "wait_seconds", None)
    assert renamed.log_text == error.context.get("stderr")


def test_an_error_from_a_receipt_is_of_its_own_class_again() -> None:
    document = ResourceBusy("locked", remedy="wait", path="p").as_document()
    found = exc.error_from_document(document, exc.PyAirbyteCacheError, connector="c")
    assert isinstance(found, ResourceBusy)
    assert isinstance(found, exc.PyAirbyteCacheError)
    assert found.context == {"connector": "c", "path": "p"}
    assert found.safe_logging_dict()["class"] == "PyAirbyteCacheError"


def test_input_errors_are_value_errors_and_missing_states_key_errors() -> None:
    assert issubclass(exc.PyAirbyteInputError, ValueError)
    assert issubclass(exc.PyAirbyteNoStreamsSelectedError, exc.PyAirbyteInputError)
    assert issubclass(exc.AirbyteStateNotFoundError, KeyError)
    assert exc.PyAirbyteInputError().message.startswith("An argument is wrong")


SPEC = ConnectorSpec(
    connection_specification={
        "properties": {
            "account": {"type": "string"},
            "token": {"type": "string", "airbyte_secret": True},
        }
    }
)


def test_the_name_of_a_connection_knows_the_account_but_no_secret() -> None:
    name = source_connection_name("source-x", {"account": "a", "token": "1"}, SPEC)
    assert name.startswith("source-x-")
    assert name == source_connection_name("source-x", {"account": "a", "token": "2"}, SPEC)
    assert name == source_connection_name("source-x", {"account": "a"}, SPEC)
    assert name != source_connection_name("source-x", {"account": "b"}, SPEC)
    assert name != source_connection_name("source-x", {"account": "a"}, SPEC, table_prefix="p_")
