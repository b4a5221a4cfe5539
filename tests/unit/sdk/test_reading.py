"""The walk over a native source's streams: order, counts, final states, failures, stopping."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from penstock.data.items import Checkpoint, StartsAnew, StatusChange
from penstock.errors import (
    AccessDenied,
    ConfigError,
    ConnectorFailed,
    DataError,
    ProtocolError,
    StateOutdated,
    TransientError,
    UnknownName,
)
from penstock.protocol.catalog import StreamDescriptor, SyncMode
from penstock.protocol.codec import decode_states
from penstock.protocol.state import State as StateMessage
from penstock.protocol.state import stream_state
from penstock.sdk.reading import Page, read_streams
from penstock.sdk.stream import ReadRequest, State
from tests.unit.sdk.scripted_source import ScriptedStream, catalog, source_of

ROW = {"id": 1, "name": "a"}


def told(item: Any) -> Any:
    """An item in short: its status, its count of rows, or its state and count."""
    match item:
        case StatusChange():
            return f"{item.stream} {item.status}"
        case Page():
            return item.count
        case Checkpoint():
            assert item.state.stream is not None
            (claim,) = item.claims
            assert claim.claimed == claim.counted
            return json.loads(bytes(item.state.stream.stream_state)), claim.counted


def read(
    *streams: ScriptedStream,
    states: tuple[StateMessage, ...] = (),
    mode: SyncMode = SyncMode.INCREMENTAL,
    into: list[Any] | None = None,
) -> list[Any]:
    source = source_of(*streams)()
    found = [] if into is None else into
    for item in read_streams(source, catalog(*streams, mode=mode), states):
        found.append(told(item))
    return found


NOTHING = {"__ab_no_cursor_state_message": True}


def state_of(name: str, value: Any) -> StateMessage:
    return stream_state(StreamDescriptor(name), json.dumps(value).encode())


def test_states_carry_the_rows_since_the_last_one() -> None:
    batch = pa.RecordBatch.from_pylist([ROW] * 3)
    stream = ScriptedStream(
        name="a", script=[[ROW], [ROW], State({"n": 2}), batch, State({"n": 5}), State({"n": 6})]
    )
    assert read(stream) == [
        "a STARTED",
        "a RUNNING",
        1,
        1,
        ({"n": 2}, 2),
        3,
        ({"n": 5}, 3),
        ({"n": 6}, 0),
        "a COMPLETE",
    ]


def test_empty_pages_are_left_out() -> None:
    empty = pa.RecordBatch.from_pylist([ROW]).slice(0, 0)
    assert read(ScriptedStream(name="a", script=[[], empty, State({"n": 0})])) == [
        "a STARTED",
        ({"n": 0}, 0),
        "a COMPLETE",
    ]


@pytest.mark.parametrize(
    ("mode", "script", "before", "expected"),
    [
        (SyncMode.FULL_REFRESH, [[ROW]], None, (NOTHING, 1)),
        (SyncMode.FULL_REFRESH, [], {"n": 1}, (NOTHING, 0)),
        (SyncMode.FULL_REFRESH, [State({"n": 1}), [ROW]], None, (NOTHING, 1)),
        (SyncMode.INCREMENTAL, [[ROW]], None, (NOTHING, 1)),
        (SyncMode.INCREMENTAL, [], {"n": 1}, ({"n": 1}, 0)),
        (SyncMode.INCREMENTAL, [[ROW]], {"n": 1}, ({"n": 1}, 1)),
        (SyncMode.INCREMENTAL, [State({"n": 2}), [ROW]], {"n": 1}, ({"n": 2}, 1)),
    ],
)
def test_a_stream_without_a_last_state_gets_one_that_loses_nothing(
    mode: SyncMode, script: list[Any], before: Any, expected: Any
) -> None:
    states = () if before is None else (state_of("a", before),)
    found = read(ScriptedStream(name="a", script=script), states=states, mode=mode)
    assert found[-2:] == [expected, "a COMPLETE"]


@pytest.mark.parametrize(
    ("blob", "expected"),
    [
        ({"n": 12345678901234567890123}, {"n": 12345678901234567890123}),
        ({}, None),
        (None, None),
        (NOTHING, None),
        ({"__ab_full_refresh_sync_complete": True}, None),
    ],
)
def test_the_stream_gets_its_state_or_none(blob: Any, expected: Any) -> None:
    stream = ScriptedStream(name="a", script=[State({"n": 0})])
    read(stream, states=(state_of("b", {"n": 7}), state_of("a", blob)))
    assert stream.asked[0].state == expected


def test_a_full_refresh_that_cannot_resume_gets_no_state() -> None:
    stream = ScriptedStream(name="a", script=[], is_resumable=False)
    read(stream, states=(state_of("a", {"n": 1}),), mode=SyncMode.FULL_REFRESH)
    assert stream.asked[0].state is None


def test_a_state_of_the_old_form_is_refused() -> None:
    with pytest.raises(ConfigError, match="old form"):
        read(ScriptedStream(name="a", script=[]), states=decode_states(b'{"a":{"n":1}}'))


def test_a_state_that_is_no_object_is_refused() -> None:
    with pytest.raises(ConfigError, match="not an object"):
        read(ScriptedStream(name="a", script=[]), states=(state_of("a", [1]),))


def test_only_the_chosen_columns_are_asked_for() -> None:
    stream = ScriptedStream(name="a", script=[])
    narrow = replace(stream, json_schema={"properties": {"name": {"type": "string"}}})
    list(read_streams(source_of(stream)(), catalog(narrow), ()))
    assert stream.asked[0].fields == ("name",)
    assert stream.asked[0].cursor == ("id",)


def test_a_setting_that_is_wrong_ends_the_reading_at_once() -> None:
    denied = AccessDenied("No.", remedy="Ask.")
    found: list[Any] = []
    with pytest.raises(AccessDenied):
        read(
            ScriptedStream(name="a", script=[[ROW], denied]),
            ScriptedStream(name="b", script=[[ROW]]),
            into=found,
        )
    assert found == ["a STARTED", "a RUNNING", 1, "a INCOMPLETE"]


@pytest.mark.parametrize(
    "error",
    [TransientError("Busy.", remedy="Wait."), DataError("Odd.", remedy="Look.")],
    ids=lambda error: type(error).__name__,
)
def test_the_other_streams_are_read_before_a_failure_is_raised(error: Exception) -> None:
    found: list[Any] = []
    with pytest.raises(type(error)) as caught:
        read(
            ScriptedStream(name="a", script=[[ROW], State({"n": 1}), [ROW], error]),
            ScriptedStream(name="b", script=[[ROW], State({"n": 1})]),
            into=found,
        )
    assert caught.value is error
    assert found[-6:] == [
        "a INCOMPLETE",
        "b STARTED",
        "b RUNNING",
        1,
        ({"n": 1}, 1),
        "b COMPLETE",
    ]


def test_the_first_of_several_failures_names_the_others() -> None:
    with pytest.raises(DataError) as caught:
        read(
            ScriptedStream(name="a", script=[DataError("One.", remedy="")]),
            ScriptedStream(name="b", script=[DataError("Two.", remedy="")]),
        )
    assert caught.value.message == "One."
    assert caught.value.context["other_failures"] == "Two."


def test_a_foreign_exception_names_the_stream_and_hides_secrets() -> None:
    stream = ScriptedStream(name="a", script=[KeyError("hush-7f3a9")])
    items = read_streams(
        source_of(stream)(), catalog(stream), (), secrets=lambda: frozenset({"hush-7f3a9"})
    )
    with pytest.raises(ConnectorFailed, match="The stream a failed") as caught:
        list(items)
    assert "KeyError" in str(caught.value)
    assert "hush-7f3a9" not in str(caught.value)
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_state_that_is_not_json_is_the_sources_fault() -> None:
    with pytest.raises(ProtocolError, match="not JSON"):
        read(ScriptedStream(name="a", script=[State({"at": object()})]))


def test_an_unknown_stream_is_named_with_the_nearest_before_anything_is_read() -> None:
    known = ScriptedStream(name="users", script=[[ROW]])
    wanted = catalog(known, ScriptedStream(name="usres", script=[]))
    with pytest.raises(UnknownName, match="did you mean users"):
        next(iter(read_streams(source_of(known)(), wanted, ())))
    assert known.asked == []


def test_a_mode_the_stream_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be read in mode full_refresh"):
        read(
            ScriptedStream(name="a", script=[], modes=(SyncMode.INCREMENTAL,)),
            mode=SyncMode.FULL_REFRESH,
        )


def test_a_stream_without_a_cursor_is_read_whole_where_changes_are_asked_for() -> None:
    modes = (SyncMode.FULL_REFRESH,)
    stream = ScriptedStream(name="a", script=[[ROW], State({"page": 2})], modes=modes)
    found = read(stream, states=(state_of("a", {"page": 1}),))
    assert [request.mode for request in stream.asked] == [SyncMode.FULL_REFRESH]
    assert found[-2:] == [(NOTHING, 0), "a COMPLETE"]


def test_stopping_ends_between_pages_and_closes_the_stream() -> None:
    stream = ScriptedStream(name="a", script=[[ROW], [ROW], [ROW]])
    other = ScriptedStream(name="b", script=[[ROW]])
    found: list[Any] = []
    source = source_of(stream, other)()
    items = read_streams(source, catalog(stream, other), (), should_stop=lambda: 1 in found)
    for item in items:
        found.append(told(item))  # noqa: PERF401 (what was found decides when to stop)
    assert found == ["a STARTED", "a RUNNING", 1]
    assert stream.closed == ["a"]
    assert other.asked == []


def test_leaving_the_iteration_closes_the_stream() -> None:
    stream = ScriptedStream(name="a", script=[[ROW], [ROW]])
    items = read_streams(source_of(stream)(), catalog(stream), ())
    assert [told(next(items)) for _ in range(3)] == ["a STARTED", "a RUNNING", 1]
    items.close()  # type: ignore[attr-defined]  # a generator
    assert stream.closed == ["a"]


class Rewritten(ScriptedStream):
    """A stream whose states hold no longer."""

    def read(self, request: ReadRequest) -> Iterator[Any]:
        if request.state is not None:
            raise StateOutdated("Rows of a changed.", remedy="Reset the stream's state.")
        return super().read(request)


def test_an_outdated_full_refresh_begins_anew_where_its_reader_can() -> None:
    stream = Rewritten(name="a", script=[[ROW], State({"n": 1})])
    full = catalog(stream, mode=SyncMode.FULL_REFRESH)
    states = [state_of("a", {"n": 7})]
    items = list(read_streams(source_of(stream)(), full, states, may_start_anew=True))
    assert [item for item in items if isinstance(item, StartsAnew)] == [
        StartsAnew(stream=StreamDescriptor("a"), reason="Rows of a changed.")
    ]
    assert [told(item) for item in items if not isinstance(item, StartsAnew)] == [
        "a STARTED",
        "a RUNNING",
        1,
        ({"n": 1}, 1),
        "a COMPLETE",
    ]
    with pytest.raises(StateOutdated):
        list(read_streams(source_of(stream)(), full, states))


def test_an_outdated_incremental_state_is_an_error() -> None:
    stream = Rewritten(name="a", script=[[ROW]])
    states = [state_of("a", {"n": 7})]
    with pytest.raises(StateOutdated):
        list(read_streams(source_of(stream)(), catalog(stream), states, may_start_anew=True))
