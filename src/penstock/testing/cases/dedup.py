"""What deduplication must make of which rows, written out row by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from penstock.data.types import Kind
from penstock.testing.cells import Row

Batch = tuple[Row, ...]
Commit = tuple[Batch, ...]
Sync = tuple[Commit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DedupCase:
    """Syncs of commits of batches of rows, and the rows that stay after the last sync."""

    name: str
    syncs: tuple[Sync, ...]
    stays: tuple[Row, ...]
    key: tuple[str, ...] = ("id",)
    cursor: str | None = "at"
    kinds: Mapping[str, Kind]

    def __str__(self) -> str:
        return self.name


_ID_AT_NAME: Final = {"id": Kind.INTEGER, "at": Kind.INTEGER, "name": Kind.STRING}
_PAIR: Final = {"a": Kind.STRING, "b": Kind.INTEGER, "at": Kind.INTEGER, "name": Kind.STRING}


def _r(number: int | None, at: int | None, name: str | None) -> Row:
    return {"id": number, "at": at, "name": name}


def _p(a: str | None, b: int | None, at: int, name: str) -> Row:
    return {"a": a, "b": b, "at": at, "name": name}


def _case(name: str, *syncs: Sync, stays: tuple[Row, ...], cursor: str | None = "at") -> DedupCase:
    return DedupCase(name=name, syncs=syncs, stays=stays, cursor=cursor, kinds=_ID_AT_NAME)


_OLD, _NEW = _r(1, 10, "old"), _r(1, 20, "new")
_OTHER = _r(2, 15, "other")

DEDUP_CASES: Final = (
    _case("newer after older in one batch", (((_OLD, _OTHER, _NEW),),), stays=(_NEW, _OTHER)),
    _case("older after newer in one batch", (((_NEW, _OTHER, _OLD),),), stays=(_NEW, _OTHER)),
    _case("newer after older in two batches", (((_OLD, _OTHER), (_NEW,)),), stays=(_NEW, _OTHER)),
    _case("older after newer in two batches", (((_NEW, _OTHER), (_OLD,)),), stays=(_NEW, _OTHER)),
    _case(
        "newer after older in two commits", (((_OLD,),), ((_NEW, _OTHER),)), stays=(_NEW, _OTHER)
    ),
    _case(
        "older after newer in two commits", (((_NEW,),), ((_OLD, _OTHER),)), stays=(_NEW, _OTHER)
    ),
    _case(
        "newer after older in two syncs", (((_OLD,),),), (((_NEW, _OTHER),),), stays=(_NEW, _OTHER)
    ),
    _case(
        "older after newer in two syncs", (((_NEW,),),), (((_OLD, _OTHER),),), stays=(_NEW, _OTHER)
    ),
    _case(
        "equal cursors, one batch: the last to arrive",
        (((_r(1, 10, "first"), _r(1, 10, "last")),),),
        stays=(_r(1, 10, "last"),),
    ),
    _case(
        "equal cursors, two batches: the last to arrive",
        (((_r(1, 10, "z first"),), (_r(1, 10, "a last"),)),),
        stays=(_r(1, 10, "a last"),),
    ),
    _case(
        "equal cursors, two commits: the last to arrive",
        (((_r(1, 10, "z first"),),), ((_r(1, 10, "a last"),),)),
        stays=(_r(1, 10, "a last"),),
    ),
    _case(
        "equal cursors, two syncs: the last to arrive",
        (((_r(1, 10, "z first"),),),),
        (((_r(1, 10, "a last"),),),),
        stays=(_r(1, 10, "a last"),),
    ),
    _case(
        "no cursor: the last to arrive",
        (((_r(1, 30, "first"), _r(1, 20, "second")),), ((_r(1, 10, "last"), _OTHER),)),
        stays=(_r(1, 10, "last"), _OTHER),
        cursor=None,
    ),
    _case(
        "a null cursor is smaller than any",
        (((_NEW,),), ((_r(1, None, "null"), _r(2, None, "null")),), ((_OTHER,),)),
        stays=(_NEW, _OTHER),
    ),
    _case(
        "null cursors are equal",
        (((_r(1, None, "z first"),),), ((_r(1, None, "a last"),),)),
        stays=(_r(1, None, "a last"),),
    ),
    _case(
        "a newer row replaces the whole of the older one, nulls too",
        (((_OLD,),), ((_r(1, 20, None),),)),
        stays=(_r(1, 20, None),),
    ),
    _case(
        "null is a key like any other",
        (((_r(None, 10, "old"), _OTHER),), ((_r(None, 20, "new"),),), ((_r(None, 5, "older"),),)),
        stays=(_r(None, 20, "new"), _OTHER),
    ),
    _case(
        "a thousand times the same row",
        ((tuple(_r(1, 10, "same") for _ in range(1000)),),),
        stays=(_r(1, 10, "same"),),
    ),
    _case("a sync without rows keeps the table", (((_OLD, _OTHER),),), (), stays=(_OLD, _OTHER)),
    DedupCase(
        name="composite keys: only all columns together are the key",
        key=("a", "b"),
        kinds=_PAIR,
        syncs=(
            (((_p("x", 1, 1, "x1"), _p("x", 2, 1, "x2"), _p("y", 1, 1, "y1")),),),
            (((_p("x", 1, 2, "x1 new"), _p("y", 2, 1, "y2")),),),
        ),
        stays=(
            _p("x", 1, 2, "x1 new"),
            _p("x", 2, 1, "x2"),
            _p("y", 1, 1, "y1"),
            _p("y", 2, 1, "y2"),
        ),
    ),
    DedupCase(
        name="composite keys with nulls in each part",
        key=("a", "b"),
        kinds=_PAIR,
        syncs=(
            (((_p("x", None, 1, "x-"), _p(None, 1, 1, "-1"), _p(None, None, 1, "--")),),),
            (((_p("x", None, 2, "x- new"), _p(None, None, 2, "-- new"), _p("x", 0, 1, "x0")),),),
        ),
        stays=(
            _p("x", None, 2, "x- new"),
            _p(None, 1, 1, "-1"),
            _p(None, None, 2, "-- new"),
            _p("x", 0, 1, "x0"),
        ),
    ),
    DedupCase(
        name="keys that differ in case, zeros or spaces are different",
        key=("name",),
        kinds=_ID_AT_NAME,
        syncs=(
            (((_r(1, 1, "a"), _r(2, 1, "A"), _r(3, 1, "a "), _r(4, 1, "01"), _r(5, 1, "1")),),),
        ),
        stays=(_r(1, 1, "a"), _r(2, 1, "A"), _r(3, 1, "a "), _r(4, 1, "01"), _r(5, 1, "1")),
    ),
    DedupCase(
        name="keys beyond 2^53 that a double would merge are different",
        kinds=_ID_AT_NAME,
        syncs=((((_r(2**53, 1, "even"), _r(2**53 + 1, 1, "odd")),),),),
        stays=(_r(2**53, 1, "even"), _r(2**53 + 1, 1, "odd")),
    ),
    DedupCase(
        name="instants as cursor: one microsecond is newer",
        kinds={**_ID_AT_NAME, "at": Kind.TIMESTAMP_TZ},
        syncs=(
            (((_r(1, 1_700_000_000_000_001, "new"),),), ((_r(1, 1_700_000_000_000_000, "old"),),)),
        ),
        stays=(_r(1, 1_700_000_000_000_001, "new"),),
    ),
)
