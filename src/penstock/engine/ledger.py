"""The proof: rows read, sent and committed a stream, and the only judge of whether they agree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.items import Claim
from penstock.errors import ProofFailed
from penstock.protocol.catalog import StreamDescriptor

_CHANGES_COLUMN = "_airbyte_changes"


@dataclass(slots=True)
class StreamAccount:
    """The counts of one stream; `note_read` is the reader's, all else the writer's."""

    stream: StreamDescriptor
    cursor_property: str | None = None
    rows_read: int = 0
    bytes_read: int = 0
    rows_filtered: int = 0
    """Rows that the connection's own filters left out."""
    rows_sent: int = 0
    rows_committed: int = 0
    rows_claimed: int | None = None
    rows_counted: int = 0
    sent_since_commit: int = 0
    bytes_since_commit: int = 0
    checkpoints: int = 0
    values_changed: int = 0
    undeclared: list[str] = field(default_factory=list)
    first_cursor: str | None = None
    last_cursor: str | None = None
    _cursor_range: tuple[pa.Scalar, pa.Scalar] | None = None

    def note_read(self, rows: int, wire_bytes: int) -> None:
        """Counts rows that came out of the source. Called by the reader, before the buffer."""
        self.rows_read += rows
        self.bytes_read += wire_bytes

    def note_filtered(self, rows: int) -> None:
        """Counts rows that were read and, as was asked for, not sent."""
        self.rows_filtered += rows

    def note_sent(self, batch: pa.RecordBatch, wire_bytes: int) -> None:
        """Counts rows the writer took."""
        self.rows_sent += batch.num_rows
        self.sent_since_commit += batch.num_rows
        self.bytes_since_commit += wire_bytes
        self._note_changes(batch)
        self._note_cursor(batch)

    def note_undeclared(self, properties: Iterable[str]) -> None:
        """Remembers properties that records had and the schema does not declare, once each."""
        self.undeclared.extend(name for name in properties if name not in self.undeclared)

    def prove_claims(self, claims: Iterable[Claim]) -> None:
        """Compares what the source said of its states with what was counted.

        Raises ProofFailed at the first state for which they differ.
        """
        for claim in claims:
            self.rows_counted += claim.counted
            self.rows_claimed = (self.rows_claimed or 0) + int(claim.claimed)
            if claim.claimed != claim.counted:
                raise ProofFailed(
                    f"The source counted {claim.claimed:g} records of {self.stream} up to a state,"
                    f" and {claim.counted} arrived.",
                    remedy="Run the sync again; if it repeats, the connector loses or doubles rows:"
                    " report it to its author with the log.",
                    stream=self.stream,
                )

    def take_sent(self) -> int:
        """Returns the rows sent since the last call: a commit of them is under way."""
        sent, self.sent_since_commit, self.bytes_since_commit = self.sent_since_commit, 0, 0
        return sent

    def note_committed(self, rows: int, sent: int | None = None) -> int:
        """Counts the rows of one commit, and returns them.

        `sent` is what that commit was of; None: all sent since the last `take_sent`. Raises
        ProofFailed when the destination's own count differs.
        """
        sent = self.take_sent() if sent is None else sent
        self.rows_committed += rows
        self.checkpoints += 1
        if rows != sent:
            raise ProofFailed(
                f"{sent} rows of {self.stream} were sent and the destination committed {rows}.",
                remedy="Compare the table with the source, then refresh the stream"
                " (`penstock sync … --full-refresh`); report the destination's version.",
                stream=self.stream,
            )
        return rows

    def prove_whole(self) -> None:
        """Raises ProofFailed unless every row read was filtered, or sent and committed."""
        due = self.rows_read - self.rows_filtered
        if not due == self.rows_sent == self.rows_committed:
            filtered = f"{self.rows_filtered} filtered, " if self.rows_filtered else ""
            raise ProofFailed(
                f"Of {self.stream}, {self.rows_read} rows were read, {filtered}"
                f"{self.rows_sent} sent and {self.rows_committed} committed.",
                remedy="Run the sync again; it continues from the last committed state.",
                stream=self.stream,
            )

    def _note_changes(self, batch: pa.RecordBatch) -> None:
        index = batch.schema.get_field_index(_CHANGES_COLUMN)
        if index < 0:
            return
        changes = batch.column(index)
        if changes.null_count < len(changes):
            counted = pc.sum(pc.count_substring(changes, '"field":')).as_py()
            self.values_changed += counted or 0

    def _note_cursor(self, batch: pa.RecordBatch) -> None:
        if self.cursor_property is None:
            return
        index = batch.schema.get_field_index(self.cursor_property)
        if index < 0 or isinstance(batch.column(index), pa.ExtensionArray):
            return
        extremes = pc.min_max(batch.column(index))
        low, high = extremes["min"], extremes["max"]
        if not low.is_valid:
            return
        if self._cursor_range is not None:
            old_low, old_high = self._cursor_range
            low = low if pc.less(low, old_low).as_py() else old_low
            high = high if pc.greater(high, old_high).as_py() else old_high
        self._cursor_range = (low, high)
        self.first_cursor, self.last_cursor = _text_of(low), _text_of(high)


def _text_of(scalar: pa.Scalar) -> str:
    """Returns a cursor as people read it; instants past Arrow's own way, which imports pandas."""
    kind = scalar.type
    if not pa.types.is_timestamp(kind) or kind.unit != "us" or kind.tz not in (None, "UTC"):
        return str(scalar)
    epoch = datetime(1970, 1, 1, tzinfo=UTC if kind.tz else None)
    return str(epoch + timedelta(microseconds=scalar.value))


class Ledger:
    """The accounts of all streams of one sync."""

    def __init__(self, accounts: Iterable[StreamAccount]) -> None:
        self.accounts = {account.stream: account for account in accounts}

    def __getitem__(self, stream: StreamDescriptor) -> StreamAccount:
        return self.accounts[stream]

    def prove_global_claims(self, claims: Iterable[Claim]) -> None:
        """Compares a global state's claims with the records of all streams counted before it."""
        for claim in claims:
            if claim.claimed != claim.counted:
                raise ProofFailed(
                    f"The source counted {claim.claimed:g} records up to a global state,"
                    f" and {claim.counted} arrived.",
                    remedy="Run it again; if it repeats, report it to the connector's author.",
                )
