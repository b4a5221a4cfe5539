"""Bytes to messages and back: nothing lost, nothing invented, nothing hidden."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from penstock.errors import ConfigError, ProtocolError
from penstock.protocol.catalog import (
    Catalog,
    CatalogStream,
    ConfiguredStream,
    DestinationCatalog,
    DestinationOperation,
    DestinationSyncMode,
    StreamDescriptor,
    SyncMode,
)
from penstock.protocol.codec import (
    catalog_of,
    decode_catalog,
    decode_configured_catalog,
    decode_line,
    decode_states,
    encode,
    encode_message,
    encode_states,
    stream_state_of,
)
from penstock.protocol.messages import (
    Analytics,
    Change,
    ConnectionStatus,
    ConnectorConfig,
    Control,
    Estimate,
    FileReference,
    Log,
    Message,
    MessageType,
    RateLimited,
    Record,
    RecordMeta,
    StatusReason,
    StreamStatus,
    StreamStatusKind,
    Trace,
    TraceError,
)
from penstock.protocol.spec import AdvancedAuth, ConnectorSpec, OAuthConfigSpecification
from penstock.protocol.state import GlobalState, State, StateStats, StateType, StreamState

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
maybe = st.none() | text
whole = st.integers(0, 2**53).map(float)
json_value = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)
json_object = st.dictionaries(text, json_value, max_size=3)
raw_object = json_object.map(lambda value: msgspec.Raw(json.dumps(value).encode()))
path = st.lists(text, min_size=1, max_size=3).map(tuple)
paths = st.lists(path, max_size=3).map(tuple)
at = st.integers(0, 2**53) | st.floats(0, 2**53)
descriptor = st.builds(StreamDescriptor, text, maybe)
stats = st.builds(
    StateStats, record_count=st.none() | whole, rejected_record_count=st.none() | whole
)
stream_states = st.builds(StreamState, stream_descriptor=descriptor, stream_state=raw_object)
state = st.one_of(
    st.builds(
        State,
        type=st.just(StateType.STREAM),
        stream=stream_states,
        source_stats=st.none() | stats,
        destination_stats=st.none() | stats,
    ),
    st.builds(
        State,
        type=st.just(StateType.GLOBAL),
        global_=st.builds(
            GlobalState,
            shared_state=raw_object,
            stream_states=st.lists(stream_states, max_size=3).map(tuple),
        ),
    ),
    st.builds(State, type=st.sampled_from([None, StateType.LEGACY]), data=raw_object),
)
catalog_stream = st.builds(
    CatalogStream,
    name=text,
    json_schema=json_object,
    supported_sync_modes=st.lists(st.sampled_from(SyncMode), min_size=1).map(tuple),
    source_defined_cursor=st.none() | st.booleans(),
    default_cursor_field=st.none() | path,
    source_defined_primary_key=st.none() | paths,
    namespace=maybe,
    is_resumable=st.none() | st.booleans(),
    is_file_based=st.none() | st.booleans(),
)
configured = st.builds(
    ConfiguredStream,
    stream=catalog_stream,
    sync_mode=st.sampled_from(SyncMode),
    destination_sync_mode=st.sampled_from(DestinationSyncMode),
    cursor_field=st.none() | path,
    primary_key=st.none() | paths,
    generation_id=st.none() | st.integers(0, 2**63 - 1),
    minimum_generation_id=st.none() | st.integers(0, 2**63 - 1),
    sync_id=st.none() | st.integers(0, 2**63 - 1),
)
status = st.builds(
    StreamStatus,
    stream_descriptor=descriptor,
    status=st.sampled_from(StreamStatusKind),
    reasons=st.none()
    | st.lists(
        st.builds(
            StatusReason,
            type=text,
            rate_limited=st.none() | st.builds(RateLimited, quota_reset=st.none() | whole),
        ),
        max_size=2,
    ).map(tuple),
)
error = st.builds(
    TraceError,
    message=text,
    internal_message=maybe,
    stack_trace=maybe,
    failure_type=maybe,
    stream_descriptor=st.none() | descriptor,
)
estimate = st.builds(
    Estimate,
    name=text,
    type=st.sampled_from(["STREAM", "SYNC"]),
    namespace=maybe,
    row_estimate=st.none() | whole,
)
trace = st.one_of(
    st.builds(Trace, type=st.just("ERROR"), emitted_at=at, error=error),
    st.builds(Trace, type=st.just("ESTIMATE"), emitted_at=at, estimate=estimate),
    st.builds(Trace, type=st.just("STREAM_STATUS"), emitted_at=at, stream_status=status),
    st.builds(
        Trace,
        type=st.just("ANALYTICS"),
        emitted_at=at,
        analytics=st.builds(Analytics, type=text, value=maybe),
    ),
)
record = st.builds(
    Record,
    stream=text,
    data=raw_object,
    emitted_at=at,
    namespace=maybe,
    meta=st.none()
    | st.builds(
        RecordMeta,
        changes=st.lists(st.builds(Change, field=text, change=text, reason=text), max_size=2).map(
            tuple
        ),
    ),
    file_reference=st.none()
    | st.builds(FileReference, staging_file_url=maybe, file_size_bytes=st.none() | st.integers(0)),
)
spec = st.builds(
    ConnectorSpec,
    connection_specification=json_object,
    documentation_url=maybe,
    supports_incremental=st.none() | st.booleans(),
    supported_destination_sync_modes=st.none()
    | st.lists(st.sampled_from(DestinationSyncMode)).map(tuple),
    advanced_auth=st.none()
    | st.builds(
        AdvancedAuth,
        auth_flow_type=maybe,
        predicate_key=st.none() | path,
        oauth_config_specification=st.none()
        | st.builds(
            OAuthConfigSpecification, complete_oauth_output_specification=st.none() | json_object
        ),
    ),
)
message = st.one_of(
    st.builds(Message, type=st.just(MessageType.RECORD), record=record),
    st.builds(Message, type=st.just(MessageType.STATE), state=state),
    st.builds(Message, type=st.just(MessageType.TRACE), trace=trace),
    st.builds(Message, type=st.just(MessageType.SPEC), spec=spec),
    st.builds(
        Message,
        type=st.just(MessageType.LOG),
        log=st.builds(Log, level=text, message=text, stack_trace=maybe),
    ),
    st.builds(
        Message,
        type=st.just(MessageType.CONNECTION_STATUS),
        connection_status=st.builds(ConnectionStatus, status=text, message=maybe),
    ),
    st.builds(
        Message,
        type=st.just(MessageType.CATALOG),
        catalog=st.builds(Catalog, streams=st.lists(catalog_stream, max_size=3).map(tuple)),
    ),
    st.builds(
        Message,
        type=st.just(MessageType.CONTROL),
        control=st.builds(
            Control,
            type=st.just("CONNECTOR_CONFIG"),
            emitted_at=at,
            connector_config=st.builds(ConnectorConfig, config=json_object),
        ),
    ),
    st.builds(
        Message,
        type=st.just(MessageType.DESTINATION_CATALOG),
        destination_catalog=st.builds(
            DestinationCatalog,
            operations=st.lists(
                st.builds(
                    DestinationOperation,
                    object_name=text,
                    sync_mode=st.sampled_from(DestinationSyncMode),
                    json_schema=json_object,
                    matching_keys=st.none() | paths,
                ),
                max_size=2,
            ).map(tuple),
        ),
    ),
)
relaxed = settings(
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@relaxed
@given(message)
def test_decoding_an_encoded_message_gives_it_back(original: Message) -> None:
    assert decode_line(encode_message(original)) == original


@relaxed
@given(st.lists(state, max_size=4).map(tuple))
def test_a_state_file_gives_its_states_back(states: tuple[State, ...]) -> None:
    assert decode_states(encode_states(states)) == states


@relaxed
@given(st.lists(configured, max_size=3))
def test_a_configured_catalog_gives_its_streams_back(streams: list[ConfiguredStream]) -> None:
    catalog = catalog_of(streams)
    assert decode_configured_catalog(encode(catalog)) == catalog


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_any_bytes_without_a_message_are_a_log_line(line: bytes) -> None:
    assume(b'"type"' not in line)
    assert decode_line(line).type is MessageType.LOG


@pytest.mark.parametrize(
    "value",
    [
        Log(),
        Record(stream="a", data=msgspec.Raw(b"{}")),
        TraceError(),
        Estimate(),
        Trace(type="ERROR"),
        CatalogStream(name="a"),
        ConfiguredStream(stream=CatalogStream(name="a")),
        GlobalState(),
        DestinationOperation(object_name="a", sync_mode=DestinationSyncMode.APPEND),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_protocol_requires_is_written_even_when_it_is_the_default(
    value: msgspec.Struct,
) -> None:
    required = {
        "Log": {"level", "message"},
        "Record": {"stream", "data", "emitted_at"},
        "TraceError": {"message"},
        "Estimate": {"name", "type"},
        "Trace": {"type", "emitted_at"},
        "CatalogStream": {"name", "json_schema", "supported_sync_modes"},
        "ConfiguredStream": {"stream", "sync_mode", "destination_sync_mode"},
        "GlobalState": {"stream_states"},
        "DestinationOperation": {"object_name", "sync_mode", "json_schema"},
    }[type(value).__name__]
    assert json.loads(encode(value)).keys() == required


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"RECORD","record":{"stream":"a","data":{"a":',
        b'{"type": "RECORD", "record": {"stream": "a", "data": {',
        b'{"type":"RECORD","record":{"data":{},"emitted_at":1}}',
        b'{"type":"RECORD","record":{"stream":"a","data":[1],"emitted_at":1}}',
        b'{"type":"RECORD","record":{"stream":"a","data":null,"emitted_at":1}}',
        b'{"type":"RECORD","record":{"stream":"a","data":{"a":NaN},"emitted_at":1}}',
        b'{"type":"RECORD","record":null}',
        b'{"type":"STATE"}',
        b'{"type":"STATE","state":{}}',
        b'{"type":"STATE","state":{"type":"STREAM"}}',
        b'{"type":"STATE","state":{"type":"GLOBAL","data":{"a":1}}}',
        b'{"type":"STATE","state":{"type":"STREAM","stream":{"stream_state":{}}}}',
        b'{"type":"CATALOG","catalog":{"streams":null}}',
        b'{"type":"SPEC","spec":{}}',
        b'{"type":"CONTROL","control":{"type":"CONNECTOR_CONFIG","connectorConfig":{}}}',
        b'{"type":"CONNECTION_STATUS","connectionStatus":{}}',
    ],
)
def test_a_broken_message_that_carries_something_is_an_error(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_line(line)


def test_a_broken_message_is_not_quoted_since_it_may_hold_secrets() -> None:
    line = b'{"type":"CONTROL","control":{"connectorConfig":{"config":{"t":"canary"}}}}'
    with pytest.raises(ProtocolError) as caught:
        decode_line(line)
    assert "canary" not in json.dumps(caught.value.as_document())


DESCRIPTOR = StreamDescriptor("users", "app")
BARE = (
    '{"type":"STREAM","stream":{"stream_descriptor":{"name":"users","namespace":"app"},'
    '"stream_state":{"n":1}}}'
)
GLOBAL = (
    '{"type":"GLOBAL","%s":{"shared_state":{"lsn":1},"stream_states":[{"stream_descriptor":'
    '{"name":"users","namespace":"app"},"stream_state":{"n":1}}]}}'
)


@pytest.mark.parametrize(
    "written",
    [
        f"[{BARE}]",
        f'[{{"type":"STATE","state":{BARE}}}]',
        f'{{"type":"STATE","state":{BARE}}}',
        BARE,
        f"{BARE}\n{BARE}\n",
        f'\n{{"type":"STATE","state":{BARE}}}\n\n{BARE}',
        json.dumps(json.loads(BARE), indent=2),
        json.dumps([json.loads(BARE)], indent=2),
        f"[{GLOBAL % 'global'}]",
        GLOBAL % "global",
        GLOBAL % "global_",
        f"[{GLOBAL % 'global_'}]",
    ],
)
def test_every_form_of_state_file_is_read(written: str) -> None:
    found = stream_state_of(decode_states(written.encode()), DESCRIPTOR)
    assert found is not None
    assert json.loads(bytes(found.stream_state)) == {"n": 1}


def test_a_legacy_blob_is_a_legacy_state() -> None:
    (found,) = decode_states(b'{"users": {"n": 1}}')
    assert found == State(type=StateType.LEGACY, data=msgspec.Raw(b'{"users": {"n": 1}}'))


@pytest.mark.parametrize("empty", [b"", b"  \n", b"[]"])
def test_an_empty_state_file_has_no_states(empty: bytes) -> None:
    assert decode_states(empty) == ()


@pytest.mark.parametrize("broken", [b"{", b"[1]", b'"text"', b'[{"type":"STREAM","stream":3}]'])
def test_a_broken_state_file_is_a_config_error(broken: bytes) -> None:
    with pytest.raises(ConfigError, match="state is not valid"):
        decode_states(broken)


def test_the_newest_state_of_a_stream_wins() -> None:
    later = BARE.replace('"n":1', '"n":2')
    found = stream_state_of(decode_states(f"[{BARE},{later}]".encode()), DESCRIPTOR)
    assert found is not None
    assert json.loads(bytes(found.stream_state)) == {"n": 2}


def test_an_unknown_stream_has_no_state() -> None:
    states = decode_states(BARE.encode())
    assert stream_state_of(states, StreamDescriptor("users")) is None


def test_a_broken_catalog_names_the_place() -> None:
    with pytest.raises(ConfigError, match=r"\$\.streams\[0\]"):
        decode_catalog(b'{"streams":[{"json_schema":{}}]}')


def test_the_users_cursor_comes_before_the_default() -> None:
    stream = CatalogStream(name="a", default_cursor_field=("d",))
    assert ConfiguredStream(stream=stream, cursor_field=("u",)).effective_cursor() == ("u",)
    assert ConfiguredStream(stream=stream).effective_cursor() == ("d",)
    assert ConfiguredStream(stream=CatalogStream(name="a")).effective_cursor() is None


def test_the_sources_own_key_overrides_the_users() -> None:
    stream = CatalogStream(name="a", source_defined_primary_key=(("id",),))
    assert ConfiguredStream(stream=stream, primary_key=(("x",),)).effective_primary_key() == (
        ("id",),
    )
    plain = ConfiguredStream(stream=CatalogStream(name="a"), primary_key=(("x",),))
    assert plain.effective_primary_key() == (("x",),)


def test_an_empty_namespace_is_none() -> None:
    assert CatalogStream(name="a", namespace="").descriptor == StreamDescriptor("a")
