"""What the decoder makes of a connector's output, line by line and block by block."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from penstock.data.decode import MessageDecoder, StreamShape
from penstock.data.items import (
    Batch,
    Checkpoint,
    Claim,
    ConfigChange,
    ErrorTrace,
    EstimateChange,
    Item,
    LogLine,
    StatusChange,
    Undeclared,
)
from penstock.data.types import Kind
from penstock.errors import ProtocolError
from penstock.protocol.catalog import StreamDescriptor
from tests.unit.data.records import (
    USERS,
    columns,
    decoded,
    line,
    plain,
    reference,
    rows_of,
    state,
)

ID = columns(id=Kind.INTEGER)
ORDERS = StreamDescriptor("orders")


def told(items: list[Item]) -> list[object]:
    """Returns the items as short words: ids of rows, positions of states, names of the rest."""
    words: list[object] = []
    for item in items:
        match item:
            case Batch():
                words.append((item.stream.name, [row["id"] for row in plain(item.rows)]))
            case Checkpoint() if item.state.stream is not None:
                words.append(json.loads(bytes(item.state.stream.stream_state))["at"])
            case Checkpoint():
                words.append("global")
            case StatusChange():
                words.append(f"{item.stream.name} {item.status}")
            case LogLine():
                words.append(item.message)
            case _:
                words.append(type(item).__name__)
    return words


def both(wire: bytes) -> list[Item]:
    shape = StreamShape(columns=ID)
    with MessageDecoder({USERS: shape, ORDERS: shape}, threads=1) as decoder:
        return [*decoder.decode(wire), *decoder.finish()]


def status(stream: str, kind: str) -> bytes:
    return (
        b'{"type":"TRACE","trace":{"type":"STREAM_STATUS","emitted_at":1.5,"stream_status":'
        b'{"stream_descriptor":{"name":"%b"},"status":"%b"}}}\n' % (stream.encode(), kind.encode())
    )


def test_rows_up_to_the_last_state_come_before_it_and_the_others_after() -> None:
    wire = line('{"id":1}') + state("users", 1, 1) + line('{"id":2}') + state("users", 1, 2)
    wire += line('{"id":3}')
    items = decoded([wire], ID)
    assert told(items) == [("users", [1, 2]), 2, ("users", [3])]
    assert [i.claims for i in items if isinstance(i, Checkpoint)] == [
        (Claim(claimed=1.0, counted=1), Claim(claimed=1.0, counted=1))
    ]


def test_claims_count_records_since_the_previous_state_across_blocks() -> None:
    blocks = [line('{"id":1}') * 3, line('{"id":2}') + state("users", 4), state("users", 0)]
    items = decoded(blocks, ID)
    claims = [claim for item in items if isinstance(item, Checkpoint) for claim in item.claims]
    assert claims == [Claim(claimed=4.0, counted=4), Claim(claimed=0.0, counted=0)]


def test_a_wrong_claim_is_told_beside_the_count() -> None:
    items = decoded([line('{"id":1}') + state("users", 7)], ID)
    assert items[-1].claims == (Claim(claimed=7.0, counted=1),)  # type: ignore[union-attr]


def test_states_of_interleaved_streams_cut_only_their_own_rows() -> None:
    wire = line('{"id":1}') + line('{"id":10}', stream="orders") + state("users", 1, 1)
    wire += line('{"id":2}') + line('{"id":11}', stream="orders")
    assert told(both(wire)) == [("users", [1]), 1, ("users", [2]), ("orders", [10, 11])]


def test_a_global_state_cuts_all_streams_and_counts_all_records() -> None:
    shared = (
        b'{"type":"STATE","state":{"type":"GLOBAL","global":{"shared_state":{"lsn":1},'
        b'"stream_states":[]},"sourceStats":{"recordCount":2.0}}}\n'
    )
    wire = line('{"id":1}') + line('{"id":10}', stream="orders") + shared
    wire += line('{"id":11}', stream="orders") + line('{"id":2}') + shared + line('{"id":3}')
    items = both(wire)
    assert told(items) == [("users", [1, 2]), ("orders", [10, 11]), "global", ("users", [3])]
    claim = Claim(claimed=2.0, counted=2)
    assert [i.claims for i in items if isinstance(i, Checkpoint)] == [(claim, claim)]


def test_completion_comes_after_the_rows_before_it_and_a_late_state_after_it() -> None:
    wire = status("users", "STARTED") + line('{"id":1}') + status("users", "COMPLETE")
    wire += state("users", 1, 5)
    assert told(decoded([wire], ID)) == ["users STARTED", ("users", [1]), "users COMPLETE", 5]


def test_an_error_comes_after_everything_before_it() -> None:
    error = b'{"type":"TRACE","trace":{"type":"ERROR","error":{"message":"no"}}}\n'
    wire = line('{"id":1}') + state("users", 1, 1) + error + line('{"id":2}')
    items = decoded([wire], ID)
    assert told(items) == [("users", [1]), 1, "ErrorTrace", ("users", [2])]
    assert items[2].error.message == "no"  # type: ignore[union-attr]


def test_the_connectors_other_words_arrive_in_order_and_analytics_is_dropped() -> None:
    wire = (
        b'{"type":"LOG","log":{"level":"INFO","message":"one"}}\n'
        b"a stray print\n\n"
        b'{"type":"TRACE","trace":{"type":"ANALYTICS","analytics":{"type":"x"}}}\n'
        b'{"type":"TRACE","trace":{"type":"ESTIMATE","estimate":{"name":"users","row_estimate":9}}}\n'
        b'{"type":"CONTROL","control":{"type":"CONNECTOR_CONFIG","emitted_at":1.0,'
        b'"connectorConfig":{"config":{"token":"t"}}}}\n'
        b'{"type":"LOG","log":{"level":"INFO","message":"two"}}'
    )
    items = decoded([wire], ID)
    assert [type(item) for item in items] == [
        LogLine, LogLine, EstimateChange, ConfigChange, LogLine,
    ]  # fmt: skip
    assert told(items)[0::4] == ["one", "two"]


def test_records_of_unknown_streams_are_counted_and_not_yielded() -> None:
    wire = line('{"id":1}', stream="ghosts") + line('{"id":2}') + state("ghosts", 1)
    items = decoded([wire], ID)
    assert [item.stream for item in items if isinstance(item, Batch)] == [USERS]
    claims = [item.claims for item in items if isinstance(item, Checkpoint)]
    assert claims == [(Claim(claimed=1.0, counted=1),)]


def test_wire_bytes_add_up_to_the_records_lines() -> None:
    lines = [line(f'{{"id":{n}}}') for n in range(500)]
    items = decoded([b"".join(lines) + state("users")], ID)
    assert sum(i.wire_bytes for i in items if isinstance(i, Batch)) == sum(map(len, lines))


def test_emission_time_is_kept_to_the_millisecond() -> None:
    wire = b"".join(line('{"id":1}', emitted_at=at) for at in (1, 1_700_000_000_123, 99))
    items = decoded([wire], ID)
    stamps = [
        s for i in items for s in i.rows.column("_airbyte_extracted_at").cast("int64").to_pylist()
    ]  # type: ignore[union-attr]
    assert stamps == [1_000, 1_700_000_000_123_000, 99_000]


SHAPES = {
    "compact": '{"type":"RECORD","record":{"stream":"users","data":%s,"emitted_at":%d}}',
    "spaces": '{"type": "RECORD", "record": {"stream": "users", "data": %s, "emitted_at": %d}}',
    "carriage return": '{"type":"RECORD","record":{"stream":"users","data":%s,"emitted_at":%d}}\r',
    "time first": '{"record":{"emitted_at":%2$d,"data":%1$s,"stream":"users"},"type":"RECORD"}',
    "empty namespace": '{"type":"RECORD","record":{"namespace":"","stream":"users",'
    '"data":%s,"emitted_at":%d}}',
    "unknown fields": '{"type":"RECORD","record":{"stream":"users","data":%s,'
    '"emitted_at":%d,"x":[]},"y":1}',
    "float time": '{"type":"RECORD","record":{"stream":"users","data":%s,"emitted_at":%d.0}}',
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_every_way_to_write_a_record_line_gives_the_same_rows(shape: str) -> None:
    def written(data: str, at: int) -> bytes:
        text = shape.replace("%1$s", "%s").replace("%s", data).replace("%2$d", "%d")
        return (text.replace("%d", str(at)) + "\n").encode()

    texts = [f'{{"id":{n},"data":{{"emitted_at":{n}}}}}' for n in range(50)]
    wire = b"".join(written(text, 1_700_000_000_000 + n) for n, text in enumerate(texts))
    shape_of_rows = columns(id=Kind.INTEGER, data=Kind.JSON)
    assert rows_of(decoded([wire], shape_of_rows)) == reference(texts, shape_of_rows)


TRICKS = [
    '{"id":1,"t":"\\"emitted_at\\":1}}"}',
    '{"id":2,"t":",\\"emitted_at\\":1700000000000}}"}',
    '{"id":3,"t":"},\\"emitted_at\\":1700000000000}}\\\\"}',
    '{"id":4,"t":{"data":{"id":9},"emitted_at":1700000000000}}',
    '{"id":5,"t":{"type":"RECORD","record":{"stream":"x","data":{}}}}',
    "{}",
    '{"id":6}',
]


def test_data_that_looks_like_the_end_of_a_line_is_data() -> None:
    shape = columns(id=Kind.INTEGER, t=Kind.JSON)
    wire = b"".join(line(text) for text in TRICKS * 3)
    assert rows_of(decoded([wire], shape)) == reference(TRICKS * 3, shape)


def test_a_line_that_repeats_its_data_key_is_refused_and_not_guessed_at() -> None:
    twice = line('{"id":1},"data":{"id":2}')
    with pytest.raises(ProtocolError, match="data is not a JSON object"):
        decoded([line('{"id":0}') * 3 + twice], ID)


def test_changes_of_the_source_are_kept_before_those_of_penstock() -> None:
    wire = b"".join(
        b'{"type":"RECORD","record":{"stream":"users","data":{"id":%b},"emitted_at":1700000000000,'
        b'"meta":{"changes":[{"field":"x","change":"NULLED","reason":"SOURCE_RETRIEVAL_ERROR"}]}}}\n'
        % data
        for data in (b"1", b'"no"', b"3")
    )
    source = {"field": "x", "change": "NULLED", "reason": "SOURCE_RETRIEVAL_ERROR"}
    own = {"field": "id", "change": "NULLED", "reason": "DESTINATION_TYPECAST_ERROR"}
    found = [json.loads(row["_airbyte_changes"]) for row in rows_of(decoded([wire], ID))]
    assert found == [[source], [source, own], [source]]


@pytest.mark.parametrize(
    "broken",
    [
        '{"id":1', '{"id":1}}', "[1]", "1", '{"id":1,}', '{"id":tru}', '{"id":01}', '{"id":"\x01"}',
        '"text"', "null",
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_raw", [False, True])
def test_a_broken_record_stops_the_read(broken: str, is_raw: bool) -> None:
    with pytest.raises(ProtocolError):
        decoded([line('{"id":0}') * 3 + line(broken) + line('{"id":2}')], ID, is_raw=is_raw)


def test_undeclared_properties_are_told_once_and_cost_no_row_its_proof() -> None:
    texts = [f'{{"id":{n},"late":1,"x{n % 2}":2}}' for n in range(200)]
    wire = b"".join(map(line, texts))
    items = decoded([wire, wire], ID)
    names = [name for i in items if isinstance(i, Undeclared) for name in i.properties]
    assert sorted(names) == ["late", "x0", "x1"]
    assert rows_of(items) == reference(texts + texts, ID)


def test_many_rows_of_several_key_orders_and_misfits_stay_in_order() -> None:
    shape = columns(id=Kind.INTEGER, name=Kind.STRING, at=Kind.TIMESTAMP_TZ, n=Kind.NUMBER)
    texts = []
    for n in range(6000):
        name = json.dumps(f'n\u00e9 {n} "q"', ensure_ascii=n % 2 == 0)
        at = ["2024-01-01T00:00:00Z", "2024-01-01T00:00:00", "yesterday"][n % 3 if n % 7 else 2]
        number = ["1.5", "7", "0.12345678901234567890", '"x"'][n % 4]
        pairs = [f'"id":{n}', f'"name":{name}', f'"at":"{at}"', f'"n":{number}']
        if n % 5 == 0:
            pairs.reverse()
        texts.append("{" + ",".join(pairs[: 3 if n % 11 == 0 else 4]) + "}")
    wire = b"".join(map(line, texts))
    blocks = [wire[at : at + 100_000] for at in range(0, len(wire), 100_000)]
    assert rows_of(decoded(blocks, shape)) == reference(texts, shape)


@pytest.mark.parametrize("names", [("Id", "id"), ("", "x"), ("select", 'a"b'), ("it's", "a.b")])
def test_any_property_name_can_be_a_column(names: tuple[str, str]) -> None:
    shape = columns(**dict.fromkeys(names, Kind.INTEGER))
    texts = [json.dumps({names[0]: n, names[1]: -n}, separators=(",", ":")) for n in range(100)]
    assert rows_of(decoded([b"".join(map(line, texts))], shape)) == reference(texts, shape)


def test_many_interleaved_streams_keep_their_own_rows_in_order() -> None:
    streams = [StreamDescriptor(f"s{n}", "public" if n % 2 else None) for n in range(30)]
    parts = []
    for n in range(3000):
        stream = streams[n * 7 % 30]
        space = f'"namespace":"{stream.namespace}",' if stream.namespace else ""
        parts.append(
            f'{{"type":"RECORD","record":{{{space}"stream":"{stream.name}","data":{{"id":{n}}},'
            f'"emitted_at":{1_700_000_000_000 + n}}}}}\n'.encode()
        )
    shapes = {stream: StreamShape(columns=ID) for stream in streams}
    with MessageDecoder(shapes, threads=1) as decoder:
        items = [*decoder.decode(b"".join(parts)), *decoder.decode(b"".join(parts))]
    found: dict[StreamDescriptor, list[int]] = {}
    for item in items:
        assert isinstance(item, Batch)
        found.setdefault(item.stream, []).extend(row["id"] for row in plain(item.rows))
    expected = {s: [n for n in range(3000) if streams[n * 7 % 30] == s] * 2 for s in streams}
    assert found == expected


def test_wide_records_equal_the_reference_block_after_block() -> None:
    kinds = [Kind.INTEGER, Kind.STRING, Kind.NUMBER, Kind.TIMESTAMP_TZ]
    shape = columns(**{f"c{n}": kinds[n % 4] for n in range(300)})
    values = ["7", '"x"', "1.5", '"2024-01-01T00:00:00Z"', '"no"']
    texts = [
        "{" + ",".join(f'"c{n}":{values[4 if n == row else n % 4]}' for n in range(300)) + "}"
        for row in range(90)
    ]
    half = [b"".join(map(line, part)) for part in (texts[:45], texts[45:])]
    assert rows_of(decoded(half, shape)) == reference(texts, shape)


def test_numbers_in_a_decimal_column_keep_every_digit() -> None:
    shape = columns(d=Kind.DECIMAL, i=Kind.BIG_INTEGER)
    wire = line('{"d":12345678901234567890.123456789,"i":' + "9" * 38 + "}") * 2
    row = rows_of(decoded([wire], shape))[1]
    assert row["d"] == Decimal("12345678901234567890.123456789")
    assert row["i"] == Decimal("9" * 38)


def test_a_record_of_fifty_megabytes_in_small_blocks() -> None:
    text = "x" * 50_000_000
    wire = line('{"id":1}') + line(f'{{"id":2,"t":"{text}"}}') + line('{"id":3}')
    blocks = [wire[at : at + (1 << 20)] for at in range(0, len(wire), 1 << 20)]
    rows = rows_of(decoded(blocks, columns(id=Kind.INTEGER, t=Kind.STRING)))
    assert [row["id"] for row in rows] == [1, 2, 3]
    assert rows[1]["t"] == text


def test_a_block_beyond_the_largest_is_read_in_parts() -> None:
    text = "y" * 1_000_000
    wire = b"".join(line(f'{{"id":{n},"t":"{text}"}}') for n in range(70))
    rows = rows_of(decoded([wire + state("users", 70)], columns(id=Kind.INTEGER)))
    assert [row["id"] for row in rows] == list(range(70))


def test_a_lone_surrogate_spoils_only_its_own_value() -> None:
    texts = [f'{{"id":{n},"t":"{n}"}}' for n in range(300)]
    texts[150] = '{"id":150,"t":"a\\ud800b"}'
    shape = columns(id=Kind.INTEGER, t=Kind.STRING)
    rows = rows_of(decoded([b"".join(map(line, texts))], shape))
    assert rows[150]["t"] == "a\ufffdb"
    assert json.loads(rows[150]["_airbyte_changes"])[0]["change"] == "TRUNCATED"
    assert [row["_airbyte_changes"] for row in rows].count(None) == 299
    assert [row["id"] for row in rows] == list(range(300))


def test_invalid_utf8_spoils_only_its_own_value() -> None:
    wire = b"".join(line(f'{{"id":{n},"t":"{n}"}}') for n in range(100))
    wire = wire.replace(b'"t":"50"', b'"t":"5\xff"')
    rows = rows_of(decoded([wire], columns(id=Kind.INTEGER, t=Kind.STRING)))
    assert [row["t"] for row in rows if row["_airbyte_changes"]] == ["5\ufffd"]
    assert len(rows) == 100


def test_raw_rows_keep_the_records_text_to_the_byte() -> None:
    texts = ['{"b" : 1.10, "a":1e5}', '{"a":1,"a":2}', "{}", '{"x":"\\u00e9 é"}', '{"n":1E400}']
    rows = rows_of(decoded([b"".join(map(line, texts))], ID, is_raw=True))
    assert [row["_airbyte_data"] for row in rows] == texts


def test_columns_that_no_record_has_are_null() -> None:
    shape = columns(id=Kind.INTEGER, t=Kind.TIME, j=Kind.JSON, d=Kind.DATE, b=Kind.BOOLEAN)
    rows = rows_of(decoded([line('{"id":1}') * 100], shape))
    nothing = {"t": None, "j": None, "d": None, "b": None, "_airbyte_changes": None}
    assert rows == [{"id": 1, **nothing}] * 100


def test_a_stream_without_columns_still_counts_its_rows() -> None:
    items = decoded([line("{}") * 3 + line('{"x":1}')], ())
    assert sum(i.rows.num_rows for i in items if isinstance(i, Batch)) == 4


def test_blocks_are_read_whole_wherever_lines_end() -> None:
    """Lines are looked for in parts of a block; some end at a part's end, some are longer."""
    sizes = [262_100 - 200, 10, 262_144, 65_536, 400_000, 1, 262_143, 900_000, *range(60, 3000)]
    shape = columns(id=Kind.INTEGER, t=Kind.STRING)
    lines = [line(f'{{"id":{n},"t":"{"x" * size}"}}') for n, size in enumerate(sizes)]
    for told_at in (3, 7, 1000):
        lines[told_at] += state("users", count=None, position=told_at)
    items = decoded([b"".join(lines)], shape)
    assert [(row["id"], len(row["t"])) for row in rows_of(items)] == list(enumerate(sizes))
    wire = sum(item.wire_bytes for item in items if isinstance(item, Batch))
    assert wire == sum(len(text.partition(b"\n")[0]) + 1 for text in lines)


def test_wide_streams_ask_for_larger_blocks() -> None:
    sizes = []
    for count in (1, 64, 65, 512, 513, 2000):
        shape = StreamShape(columns=columns(**{f"c{n}": Kind.STRING for n in range(count)}))
        with MessageDecoder({USERS: shape}) as decoder:
            sizes.append(decoder.block_bytes >> 20)
    assert sizes == [8, 8, 16, 16, 32, 32]


def test_error_trace_is_an_item() -> None:
    items = decoded([b'{"type":"TRACE","trace":{"type":"ERROR","error":{"message":"m"}}}'], ID)
    assert isinstance(items[0], ErrorTrace)
