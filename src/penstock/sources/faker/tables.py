"""What the three tables hold: each column's kind, and how its values are made from a row's number.

A row's moment of making is 2020-01-01 plus 100 ms a row (and some microseconds), so `created_at`
grows with the row number. A change moves `updated_at` and a few values, never the keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from penstock.data.arrays import repeated
from penstock.data.types import Column, Kind
from penstock.sources.faker import columns as make
from penstock.sources.faker import words
from penstock.sources.faker.random import Numbers, Rows, below


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What values depend on beside the row itself."""

    products: int
    changed_at: int = 0
    """Microseconds since 1970 of the change that made this version; 0 for unchanged rows."""


Maker = Callable[[Rows, Facts], pa.Array]

_DAY: Final = 86_400
_EPOCH_SECONDS: Final = 18_262 * _DAY
"""2020-01-01T00:00:00Z."""
ROW_MICROSECONDS: Final = 100_000


def made_at(rows: Rows) -> Numbers:
    """Returns the microsecond each row was made at; it grows with the row's number."""
    base = rows.index * ROW_MICROSECONDS + _EPOCH_SECONDS * make.MICROSECONDS
    return base + rows.below(1, ROW_MICROSECONDS - 1)


def moment_of(row: int) -> int:
    """Returns the microsecond at which the rows before number `row` have all been made."""
    return _EPOCH_SECONDS * make.MICROSECONDS + row * ROW_MICROSECONDS


def _updated_at(rows: Rows, facts: Facts) -> pa.Array:
    if not facts.changed_at:
        return make.instants(made_at(rows))
    return make.instants(Numbers(repeated(facts.changed_at, len(rows))))


def _account_number(rows: Rows, _facts: Facts) -> pa.Array:
    """Returns numbers between 2**53 and 2**63, which a double cannot tell apart."""
    low = 1 << 53
    return make.integers((rows.words(11) % ((1 << 63) - low) + low).signed)


def _ledger_units(rows: Rows, _facts: Facts) -> pa.Array:
    """Returns whole numbers up to 8.5e37, far beyond 64 bits; negative ones too."""
    bits = rows.words(12)
    high = bits >> 2
    is_positive = (bits & 1).is_equal(0)
    return make.decimals(rows.words(13), scale=0, high=high.where(is_positive, ~high))


def _email(rows: Rows, _facts: Facts) -> pa.Array:
    name = make.picked(words.MAIL_NAMES, rows.below(14, len(words.MAIL_NAMES)))
    return make.joined(name, ".", make.digits(rows.index + 1), "@example.org")


def _address(rows: Rows, _facts: Facts) -> pa.Array:
    bits = rows.words(15)
    street = make.picked(_STREETS, below(bits, len(_STREETS)))
    city = make.picked(_CITIES, below(bits >> 8, len(_CITIES)))
    number = make.digits(below(bits >> 16, 250) + 1)
    code = make.digits(below(bits >> 24, 100_000), width=6)
    return make.json_of(
        '{"street":"', street, " ", number, '","city":"', city, '","postcode":"', code, '"}'
    )


_STREETS: Final = make.escaped(words.STREETS)
_CITIES: Final = make.escaped(words.CITIES)


def _seen_at(rows: Rows, _facts: Facts) -> pa.Array:
    bits = rows.changing(16)
    after = below(bits, 90 * _DAY * make.MICROSECONDS)
    return make.wall_clock(made_at(rows) + after, absent=make.rarely(bits, 7))


def _tags(rows: Rows, _facts: Facts) -> pa.Array:
    bits = rows.words(34)
    return make.json_of(
        '["', make.picked(words.ADJECTIVES, below(bits, 20)), '",',
        make.digits(below(bits >> 8, 100)), ",",
        make.picked(("true", "false", "null"), below(bits >> 16, 3)), "]",
    )  # fmt: skip


def _price(rows: Rows, _facts: Facts) -> pa.Array:
    """Returns prices with two decimals, exact in a column with nine."""
    cents = rows.below(32, 500_000) + 99
    return make.decimals(cents * 10_000_000, scale=9)


def _total(rows: Rows, _facts: Facts) -> pa.Array:
    """Returns amounts with all nine decimals; about one in sixteen is a refund, negative."""
    bits = rows.words(44)
    amount = below(bits, 10**15)
    return make.decimals((-amount).where(make.rarely(bits, 16), amount), scale=9)


def _returned_at(rows: Rows, facts: Facts) -> pa.Array:
    bits = rows.changing(46)
    column = make.instants(made_at(rows) + below(bits, 30 * _DAY * make.MICROSECONDS))
    del facts
    return make.without(column, pc.invert(make.rarely(bits, 8)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One stream's columns and their makers, in order."""

    name: str
    makers: Mapping[str, tuple[Kind, Maker]]

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns as a stream declares them."""
        return tuple(Column(name=name, kind=kind) for name, (kind, _) in self.makers.items())

    def batch(self, rows: Rows, facts: Facts, fields: frozenset[str] | None) -> pa.RecordBatch:
        """Returns these rows; `fields` None makes every column."""
        made = {
            name: maker(rows, facts)
            for name, (_, maker) in self.makers.items()
            if fields is None or name in fields
        }
        if made:
            return pa.RecordBatch.from_pydict(made)
        return pa.RecordBatch.from_struct_array(pa.array([{}] * len(rows), pa.struct([])))


def _id(rows: Rows, _facts: Facts) -> pa.Array:
    return make.integers(rows.index + 1)


def _created_at(rows: Rows, _facts: Facts) -> pa.Array:
    return make.instants(made_at(rows))


USERS: Final = Table(
    name="users",
    makers={
        "id": (Kind.INTEGER, _id),
        "account_number": (Kind.INTEGER, _account_number),
        "ledger_units": (Kind.BIG_INTEGER, _ledger_units),
        "code": (Kind.STRING, lambda rows, _: make.digits(rows.below(17, 10**8), width=10)),
        "first_name": (
            Kind.STRING,
            lambda rows, _: make.picked(words.FIRST_NAMES, rows.below(18, len(words.FIRST_NAMES))),
        ),
        "last_name": (
            Kind.STRING,
            lambda rows, _: make.picked(words.LAST_NAMES, rows.below(19, len(words.LAST_NAMES))),
        ),
        "email": (Kind.STRING, _email),
        "is_active": (
            Kind.BOOLEAN,
            lambda rows, _: make.booleans(
                rows.changing(20), absent=make.rarely(rows.words(20), 11)
            ),
        ),
        "born_on": (Kind.DATE, lambda rows, _: make.dates(rows.below(21, 25_000) + -10_957)),
        "height_cm": (
            Kind.NUMBER,
            lambda rows, _: make.fractions(
                rows.below(22, 650) + 1_400, 10, absent=make.rarely(rows.words(22), 13)
            ),
        ),
        "wakes_at": (
            Kind.TIME,
            lambda rows, _: make.times(rows.below(23, _DAY * make.MICROSECONDS)),
        ),
        "address": (Kind.JSON, _address),
        "note": (
            Kind.STRING,
            lambda rows, _: make.picked(words.NOTES, rows.below(24, len(words.NOTES))),
        ),
        "last_seen_at": (Kind.TIMESTAMP, _seen_at),
        "created_at": (Kind.TIMESTAMP_TZ, _created_at),
        "updated_at": (Kind.TIMESTAMP_TZ, _updated_at),
    },
)

PRODUCTS: Final = Table(
    name="products",
    makers={
        "id": (Kind.INTEGER, _id),
        "sku": (Kind.STRING, lambda rows, _: make.digits(rows.index + 1, width=12)),
        "name": (
            Kind.STRING,
            lambda rows, _: make.joined(
                make.picked(words.ADJECTIVES, rows.below(30, len(words.ADJECTIVES))),
                " ",
                make.picked(words.THINGS, rows.below(31, len(words.THINGS))),
            ),
        ),
        "category": (
            Kind.STRING,
            lambda rows, _: make.picked(words.CATEGORIES, rows.below(35, len(words.CATEGORIES))),
        ),
        "price": (Kind.DECIMAL, _price),
        "weight_kg": (Kind.NUMBER, lambda rows, _: make.fractions(rows.below(33, 10**6), 7)),
        "is_available": (Kind.BOOLEAN, lambda rows, _: make.booleans(rows.changing(36))),
        "tags": (Kind.JSON, _tags),
        "released_on": (Kind.DATE, lambda rows, _: make.dates(rows.below(37, 8_000) + 10_000)),
        "created_at": (Kind.TIMESTAMP_TZ, _created_at),
        "updated_at": (Kind.TIMESTAMP_TZ, _updated_at),
    },
)

PURCHASES: Final = Table(
    name="purchases",
    makers={
        "id": (Kind.INTEGER, _id),
        "user_id": (
            Kind.INTEGER,
            # Of a user made before: so it exists however many rows there are.
            lambda rows, _: make.integers((rows.words(40) % (rows.index + 1).unsigned).signed + 1),
        ),
        "product_id": (
            Kind.INTEGER,
            lambda rows, facts: make.integers(rows.below(41, facts.products) + 1),
        ),
        "quantity": (Kind.INTEGER, lambda rows, _: make.integers(rows.below(42, 9) + 1)),
        "total": (Kind.DECIMAL, _total),
        "currency": (
            Kind.STRING,
            lambda rows, _: make.picked(words.CURRENCIES, rows.below(43, len(words.CURRENCIES))),
        ),
        "payment": (
            Kind.STRING,
            lambda rows, _: make.picked(words.PAYMENTS, rows.below(45, len(words.PAYMENTS))),
        ),
        "purchased_at": (Kind.TIMESTAMP_TZ, _created_at),
        "returned_at": (Kind.TIMESTAMP_TZ, _returned_at),
        "updated_at": (Kind.TIMESTAMP_TZ, _updated_at),
    },
)
