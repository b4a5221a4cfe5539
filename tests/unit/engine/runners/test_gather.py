"""Small pages put together: no state is passed on before its rows, or behind later ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.data.batch import BatchBuilder, BuiltBatch
from penstock.data.items import Checkpoint, Claim
from penstock.data.json_rows import JsonRows
from penstock.data.lines import RecordTexts
from penstock.data.types import Kind
from penstock.engine.runners.gather import Gather
from penstock.errors import DataError
from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.state import stream_state
from tests.unit.data.records import columns

STREAM = StreamDescriptor("people")


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def builder() -> Iterator[BatchBuilder]:
    with BatchBuilder(columns(id=Kind.INTEGER), is_raw=False, threads=1) as made:
        yield made


def page(first: int, count: int, *, as_text: bool) -> Any:
    rows = [{"id": first + number} for number in range(count)]
    if not as_text:
        return rows
    return JsonRows(texts=RecordTexts.of([b'{"id":%d}' % row["id"] for row in rows]))


def checkpoint(at: int, counted: int) -> Checkpoint:
    claim = Claim(claimed=float(counted), counted=counted)
    return Checkpoint(state=stream_state(STREAM, b'{"at":%d}' % at), claims=(claim,))


steps = st.lists(
    st.one_of(
        st.tuples(st.just("page"), st.integers(1, 40), st.booleans()),
        st.tuples(st.just("state"), st.just(0), st.just(value=False)),
        st.tuples(st.just("wait"), st.integers(1, 400), st.just(value=False)),
    ),
    max_size=25,
)


@given(steps=steps)
def test_rows_and_states_keep_their_order_and_every_claim(
    builder: BatchBuilder, steps: list[tuple[str, int, bool]]
) -> None:
    clock = Clock()
    gather = Gather(builder, clock=clock)
    passed: list[BuiltBatch | Checkpoint] = []
    added = since = 0
    for kind, number, as_text in steps:
        if kind == "page":
            passed.extend(gather.add(page(added, number, as_text=as_text)))
            added, since = added + number, since + number
        elif kind == "state":
            passed.extend(gather.cover(checkpoint(added, since)))
            since = 0
        else:
            clock.now += number / 1000
    passed.extend(gather.flush())
    ids: list[int] = []
    claimed = 0
    for item in passed:
        if isinstance(item, Checkpoint):
            assert item.state.stream is not None
            assert bytes(item.state.stream.stream_state) == b'{"at":%d}' % len(ids)
            claimed += sum(claim.counted for claim in item.claims)
            assert claimed == len(ids)
        else:
            ids.extend(item.rows.column("id").to_pylist())
    assert ids == list(range(added))
    assert claimed == added - since


def test_pages_that_come_fast_are_one_batch(builder: BatchBuilder) -> None:
    gather = Gather(builder, clock=Clock())
    first = list(gather.add(page(0, 3, as_text=True)))
    rest = [item for n in range(1, 9) for item in gather.add(page(3 * n, 3, as_text=n % 2 == 0))]
    last = list(gather.flush())
    sizes = [item.rows.num_rows for item in [*first, *rest, *last] if isinstance(item, BuiltBatch)]
    assert sizes == [3, 24]


def test_page_that_comes_late_is_passed_on_at_once(builder: BatchBuilder) -> None:
    clock = Clock()
    gather = Gather(builder, clock=clock)
    for number in range(4):
        clock.now += 0.3
        assert len(list(gather.add(page(number, 1, as_text=True)))) == 1


def test_much_text_is_passed_on_at_once(builder: BatchBuilder) -> None:
    gather = Gather(builder, clock=Clock())
    large = JsonRows(texts=RecordTexts.of([b'{"id":1,"note":"%b"}' % (b"x" * (5 << 20))]))
    passed = [len(list(gather.add(large))) for _ in range(6)]
    assert passed == [1, 0, 0, 1, 0, 1]


def test_value_without_a_json_form_is_told_and_the_rows_before_it_are_kept(
    builder: BatchBuilder,
) -> None:
    gather = Gather(builder, clock=Clock())
    list(gather.add(page(0, 1, as_text=True)))
    list(gather.add(page(1, 2, as_text=True)))
    with pytest.raises(DataError):
        list(gather.add([{"id": object()}]))
    (kept,) = gather.flush()
    assert isinstance(kept, BuiltBatch)
    assert kept.rows.column("id").to_pylist() == [1, 2]
