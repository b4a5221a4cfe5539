"""Whatever a connector writes, the fast path yields the rows of the reference, in order."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.data.types import Kind
from tests.unit.data.records import columns, decoded, line, reference, rows_of

NUMBERS = st.one_of(
    st.integers(-(1 << 66), 1 << 66).map(str),
    st.integers(-100, 100).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(allow_nan=False, allow_infinity=False, places=9).map(lambda d: f"{d:f}"),
    st.sampled_from(
        ["1.0", "1.10", "1e5", "1E400", "-0", "-0.0", "0.12345678901234567890", "1.7", "1e-400",
         "12345678901234567890.123", "9223372036854775807", "9223372036854775808", "1e22",
         "9007199254740993", "123456789012345678901234567890123456789", "5e-324", "1.5E+3",
         "0.1234567891", "99999999999999999999999999999", "1e999999999999999999999"]
    ),
)  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["007", " 12 ", "12", "1.5", "true", "false", "", "\x00", 'a"b\\c\n', "2024-02-29",
         "2024-02-30", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00", "2024-03-10T02:30:00+05:30",
         "2024-01-01 10:11:12.123456-0800", "2024-01-01T00:00:00.1234567Z", "10:11:12",
         "2024-01-01T00:00:00.123456000Z", "10:11", "0044-03-15 BC", "12024-01-01T00:00:00Z",
         '"emitted_at":1}}', ',"emitted_at":1700000000000}}', '"b":null', "NaN", "Infinity",
         "9999-12-31T23:59:59.999999-23:59", "0000-01-01T00:00:00Z", "2024-01-01T24:00:00Z"]
    ),
)  # fmt: skip
STRINGS = st.one_of(
    TEXTS.map(json.dumps),
    TEXTS.map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.sampled_from(['"\\ud800"', '"x\\udc00y"', '"\\u0041\\/"', '"\\ud83d\\ude00"']),
)
LITERALS = st.sampled_from(["null", "true", "false", "NaN", "-Infinity"])
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": ")])


def _joined(open_: str, parts: list[str], close: str, comma: str) -> str:
    return open_ + comma.join(parts) + close


VALUES = st.recursive(
    st.one_of(NUMBERS, STRINGS, LITERALS),
    lambda inner: st.one_of(
        st.tuples(st.lists(inner, max_size=3), SEPARATORS).map(
            lambda p: _joined("[", p[0], "]", p[1][0])
        ),
        st.tuples(st.lists(st.tuples(STRINGS, inner), max_size=3), SEPARATORS).map(
            lambda p: _joined("{", [f"{k}{p[1][1]}{v}" for k, v in p[0]], "}", p[1][0])
        ),
    ),
    max_leaves=4,
)
MIXED = st.one_of(NUMBERS, STRINGS, st.sampled_from(["true", "false", '{"x":[1]}']))
NAMES = ["a", "b", "B", "", "é", 'q"/~', "undeclared", "other"]
DECLARED = NAMES[:6]


@st.composite
def records(draw: st.DrawFn) -> tuple[dict[str, Kind], list[str]]:
    kinds = {name: draw(st.sampled_from(list(Kind))) for name in DECLARED}
    usual = draw(st.permutations(NAMES[: draw(st.integers(1, len(NAMES)))]))
    by_kind = {name: draw(st.sampled_from([VALUES, STRINGS, NUMBERS, MIXED])) for name in NAMES}
    ensure_ascii = draw(st.booleans())
    comma, colon = draw(SEPARATORS)

    def one() -> str:
        keys = list(usual) if draw(st.integers(0, 4)) else draw(st.lists(st.sampled_from(NAMES)))
        keys = [key for key in keys if draw(st.integers(0, 5))]
        pairs = [
            f"{json.dumps(key, ensure_ascii=ensure_ascii)}{colon}"
            + (draw(by_kind[key]) if draw(st.integers(0, 5)) else "null")
            for key in keys
        ]
        return _joined("{", pairs, "}", comma)

    return kinds, [one() for _ in range(draw(st.integers(1, 8)))]


def _same(row: dict[str, Any]) -> dict[str, Any]:
    return {k: repr(v) if isinstance(v, float) and math.isfinite(v) else v for k, v in row.items()}


@settings(max_examples=50, suppress_health_check=list(HealthCheck))
@given(records(), st.sampled_from([1, 1, 20]), st.booleans(), st.data())
def test_rows_equal_the_reference_at_any_cut(
    case: tuple[dict[str, Kind], list[str]], times: int, is_raw: bool, data: st.DataObject
) -> None:
    kinds, texts = case[0], case[1] * times
    shape = columns(**kinds)
    wire = b"".join(line(text) for text in texts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=3)))
    blocks = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    expected = reference(texts, shape, is_raw=is_raw)
    actual = rows_of(decoded(blocks, shape, is_raw=is_raw))
    assert [_same(row) for row in expected] == [_same(row) for row in actual]
