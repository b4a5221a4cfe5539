"""The faker source itself: its settings, its streams, and where a stream continues."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

import pyarrow as pa

from penstock.data.arrays import whole_numbers
from penstock.data.types import stream_schema
from penstock.errors import ConfigError
from penstock.protocol.catalog import PropertyPath, SyncMode
from penstock.sdk.config import setting
from penstock.sdk.stream import ReadRequest, State
from penstock.sources.faker.random import Numbers, Rows, mixed
from penstock.sources.faker.tables import PRODUCTS, PURCHASES, USERS, Facts, Table, moment_of

_SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FakerConfig:
    """Settings of the faker source."""

    rows: int = setting(
        default=1_000,
        title="Rows",
        description="Rows of `users` and of `purchases`. A later sync with more continues.",
        examples=(1_000, 10_000_000),
        minimum=0,
        maximum=10**12,
        alias=("count",),
    )
    products: int = setting(
        default=100,
        title="Products",
        description="Rows of `products`. Another number changes which product was purchased.",
        minimum=1,
        maximum=10**9,
    )
    seed: int = setting(
        default=0,
        title="Seed",
        description="The same seed gives the same rows, on every machine and in every sync.",
        minimum=0,
        maximum=2**63 - 1,
    )
    updates: int = setting(
        default=0,
        title="Updates",
        description="How many rows already there an incremental sync changes and sends again.",
        minimum=0,
        maximum=10**9,
    )
    batch_rows: int = setting(
        default=20_000,
        title="Rows a batch",
        description="Rows made and handed on at once.",
        minimum=1,
        maximum=1_000_000,
        advanced=True,
        alias=("records_per_slice",),
    )
    state_every: int = setting(
        default=100_000,
        title="Rows a checkpoint",
        description="Rows between two checkpoints.",
        minimum=1,
        advanced=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far a stream has been read; its State."""

    next: int = 0
    """Number of the first row not yet read."""
    round: int = 0
    """Syncs that changed rows."""
    updated: int = 0
    """Rows sent again in this round."""
    is_complete: bool = False
    """True when the sync that left this had read everything there was."""

    @staticmethod
    def of(value: Mapping[str, Any] | None, stream: str) -> Position:
        """Returns the position in a State; another source's state raises ConfigError."""
        if value is None:
            return Position()
        numbers = [value.get(key, 0) for key in ("next", "round", "updated")]
        is_sound = all(type(number) is int and number >= 0 for number in numbers)
        if "next" not in value or not is_sound:
            raise ConfigError(
                f"The state of the stream {stream} is not one that the faker source wrote.",
                remedy="Reset the stream's state, and the next sync begins at its first row.",
                stream=stream,
            )
        return Position(
            next=numbers[0],
            round=numbers[1],
            updated=numbers[2],
            is_complete=value.get("complete") is True,
        )

    @property
    def state(self) -> State:
        """The position as a State."""
        return State(
            {
                "next": self.next,
                "round": self.round,
                "updated": self.updated,
                "complete": self.is_complete,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FakerStream:
    """One table as a stream: new rows by number, and changed ones in rounds."""

    table: Table
    config: FakerConfig
    rows: int

    namespace: ClassVar[str | None] = None
    primary_key: ClassVar[tuple[PropertyPath, ...]] = (("id",),)
    cursor: ClassVar[PropertyPath | None] = ("updated_at",)
    modes: ClassVar[tuple[SyncMode, ...]] = (SyncMode.FULL_REFRESH, SyncMode.INCREMENTAL)
    is_resumable: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """The table's name."""
        return self.table.name

    @property
    def json_schema(self) -> Mapping[str, Any]:
        """The table's columns."""
        return stream_schema(self.table.columns)

    def read(self, request: ReadRequest) -> Iterator[pa.RecordBatch | list[dict[str, Any]] | State]:
        """Yields the rows from the state on, first those changed since, with states between.

        A full refresh from the state of a complete one has nothing left to yield.
        """
        position = Position.of(request.state, self.name)
        updates = 0
        if request.mode is SyncMode.INCREMENTAL:
            if position.is_complete:
                position = replace(position, round=position.round + 1, updated=0, is_complete=False)
            updates = min(self.config.updates, position.next) if position.round else 0
        fields = None if request.fields is None else frozenset(request.fields)
        for start, stop in self._spans(position.updated, updates):
            yield self._changed(position, start, stop, fields)
            position = replace(position, updated=stop)
            if self._is_checkpoint(stop, updates):
                yield position.state
        for start, stop in self._spans(position.next, self.rows):
            rows = Rows(_numbers(range(start, stop)), 0, self.config.seed)
            yield self.table.batch(rows, Facts(products=self.config.products), fields)
            position = replace(position, next=stop)
            if self._is_checkpoint(stop, self.rows):
                yield position.state
        yield replace(position, is_complete=True).state

    def _changed(
        self, position: Position, start: int, stop: int, fields: frozenset[str] | None
    ) -> pa.RecordBatch:
        """Returns the rows number `start` to `stop` of those this round changes."""
        seed = self.config.seed
        first = mixed(seed ^ mixed(position.round)) % position.next
        numbers = _numbers((first + n) % position.next for n in range(start, stop))
        changed_at = moment_of(position.next) + position.round * _SECOND
        facts = Facts(products=self.config.products, changed_at=changed_at)
        return self.table.batch(Rows(numbers, position.round, seed), facts, fields)

    def _spans(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yields spans of a batch each, cut at checkpoints too."""
        while start < end:
            checkpoint = (start // self.config.state_every + 1) * self.config.state_every
            stop = min(start + self.config.batch_rows, checkpoint, end)
            yield start, stop
            start = stop

    def _is_checkpoint(self, row: int, end: int) -> bool:
        return row % self.config.state_every == 0 and row < end


def _numbers(numbers: Iterable[int]) -> Numbers:
    return Numbers(whole_numbers(numbers, pa.int64()))


class FakerSource:
    """Makes users, products and purchases: seeded, typed, any number of them."""

    Config: ClassVar[type[Any]] = FakerConfig
    title: ClassVar[str] = "Faker"
    documentation_url: ClassVar[str] = (
        "https://github.com/penstock-data/penstock/blob/main/docs/connectors/source-faker.md"
    )

    def __init__(self, config: FakerConfig) -> None:
        self._config = config

    def check(self) -> None:
        """Returns at once: what there is to check, the settings' own limits have checked."""

    def streams(self) -> tuple[FakerStream, ...]:
        """Returns users, products and purchases."""
        config = self._config
        return (
            FakerStream(table=USERS, config=config, rows=config.rows),
            FakerStream(table=PRODUCTS, config=config, rows=config.products),
            FakerStream(table=PURCHASES, config=config, rows=config.rows),
        )
