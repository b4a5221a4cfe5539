"""The proof."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from penstock.data.items import Claim
from penstock.engine.ledger import Ledger, StreamAccount
from penstock.errors import ProofFailed
from penstock.protocol.catalog import StreamDescriptor

USERS = StreamDescriptor("users")


def _account(cursor: str | None = None) -> StreamAccount:
    return StreamAccount(stream=USERS, cursor_property=cursor)


def _rows(*cursors: object, changes: list[str | None] | None = None) -> pa.RecordBatch:
    return pa.record_batch(
        {
            "updated_at": pa.array(cursors),
            "_airbyte_changes": pa.array(changes or [None] * len(cursors), pa.string()),
        }
    )


def test_equal_counts_prove_the_stream() -> None:
    account = _account()
    account.note_read(2, 10)
    account.note_sent(_rows(1, 2), 10)
    assert account.note_committed(2) == 2
    account.prove_whole()


def test_a_destination_that_counts_fewer_rows_fails_the_proof() -> None:
    account = _account()
    account.note_read(2, 10)
    account.note_sent(_rows(1, 2), 10)
    with pytest.raises(ProofFailed, match="2 rows of users were sent and the destination"):
        account.note_committed(1)


def test_rows_read_and_never_sent_fail_the_proof() -> None:
    account = _account()
    account.note_read(3, 10)
    account.note_sent(_rows(1, 2), 10)
    account.note_committed(2)
    with pytest.raises(ProofFailed, match="3 rows were read, 2 sent and 2 committed"):
        account.prove_whole()


@pytest.mark.parametrize(
    ("claimed", "counted"), [(5.0, 4), (4.0, 5)], ids=["lost on the way", "more than claimed"]
)
def test_a_source_that_counted_otherwise_fails_the_proof(claimed: float, counted: int) -> None:
    with pytest.raises(ProofFailed, match="The source counted"):
        _account().prove_claims([Claim(claimed=claimed, counted=counted)])


def test_two_wrong_claims_do_not_cancel_each_other_out() -> None:
    claims = [Claim(claimed=5, counted=6), Claim(claimed=5, counted=4)]
    with pytest.raises(ProofFailed):
        _account().prove_claims(claims)


def test_global_claims_are_proved_too() -> None:
    with pytest.raises(ProofFailed):
        Ledger([_account()]).prove_global_claims([Claim(claimed=1, counted=2)])


def test_claims_add_up_over_states() -> None:
    account = _account()
    account.prove_claims([Claim(claimed=5, counted=5), Claim(claimed=0, counted=0)])
    account.prove_claims([Claim(claimed=2, counted=2)])
    assert account.rows_claimed == 7


def test_every_recorded_change_is_counted() -> None:
    account = _account()
    one = '[{"field":"a","change":"NULLED","reason":"x"}]'
    quoting = '{"field":"\\"field\\":","change":"NULLED","reason":"x"}'
    two = f"{one[:-1]},{quoting}]"
    account.note_sent(_rows(1, 2, 3, changes=[one, None, two]), 10)
    assert account.values_changed == 3


def test_the_first_and_last_cursor_span_all_batches() -> None:
    account = _account("updated_at")
    day = dt.datetime(2024, 1, 2, tzinfo=dt.UTC)
    account.note_sent(_rows(day, day + dt.timedelta(days=3)), 10)
    account.note_sent(_rows(day - dt.timedelta(days=1), None), 10)
    assert (account.first_cursor, account.last_cursor) == (
        "2024-01-01 00:00:00+00:00",
        "2024-01-05 00:00:00+00:00",
    )


def test_undeclared_properties_are_told_once() -> None:
    account = _account()
    account.note_undeclared(["x", "y"])
    account.note_undeclared(["y", "z"])
    assert account.undeclared == ["x", "y", "z"]
