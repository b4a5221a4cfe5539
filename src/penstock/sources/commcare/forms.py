"""Streams of forms: all of them, one a form with its questions, and one a group that repeats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import replace
from functools import partial
from typing import Any, Final

from penstock.data.names import slug
from penstock.data.types import Kind
from penstock.sdk.rest import RestStream
from penstock.sdk.rest.stream import DELETED_AT
from penstock.sources.commcare.answers import column_of, entries, split_answers, utc
from penstock.sources.commcare.design import FormDesign, Path, distinct

Row = dict[str, Any]
EXTRA: Final = "_extra"
"""Answers that no column takes: of questions the application no longer has, or of another type."""
RECORD: Final = "@record"
"""Where `_extra` has what a newer server says of the record itself: no question is named so."""
_LEFT_OUT: Final = frozenset({"resource_uri", DELETED_AT})

COLUMNS: Final[Mapping[str, Kind]] = {
    "id": Kind.STRING,
    "domain": Kind.STRING,
    "app_id": Kind.STRING,
    "build_id": Kind.STRING,
    "xmlns": Kind.STRING,
    "name": Kind.STRING,
    "version": Kind.STRING,
    "uiversion": Kind.STRING,
    "type": Kind.STRING,
    "received_on": Kind.TIMESTAMP_TZ,
    "server_modified_on": Kind.TIMESTAMP_TZ,
    "indexed_on": Kind.TIMESTAMP_TZ,
    "edited_on": Kind.TIMESTAMP_TZ,
    "edited_by_user_id": Kind.STRING,
    "archived": Kind.BOOLEAN,
    "problem": Kind.STRING,
    "initial_processing_complete": Kind.BOOLEAN,
    "is_phone_submission": Kind.BOOLEAN,
    "submit_ip": Kind.STRING,
    "metadata": Kind.JSON,
    "attachments": Kind.JSON,
}
_INSTANTS: Final = tuple(name for name, kind in COLUMNS.items() if kind is Kind.TIMESTAMP_TZ)
_META: Final[Mapping[Path, Kind]] = {
    ("meta", "timeStart"): Kind.TIMESTAMP_TZ,
    ("meta", "timeEnd"): Kind.TIMESTAMP_TZ,
    ("meta", "userID"): Kind.STRING,
    ("meta", "username"): Kind.STRING,
    ("meta", "deviceID"): Kind.STRING,
}
_HEAD: Final = ("#type", "@name", "@version", "@uiVersion", "@xmlns")
"""What the form's root says of the form; the columns beside the answers have it."""
_CHILD: Final[Mapping[str, Kind]] = {
    "form_id": Kind.STRING,
    "index": Kind.STRING,
    "parent_index": Kind.STRING,
    "received_on": Kind.TIMESTAMP_TZ,
    "server_modified_on": Kind.TIMESTAMP_TZ,
    "indexed_on": Kind.TIMESTAMP_TZ,
    "archived": Kind.BOOLEAN,
}


def form_streams(base: RestStream, designs: Iterable[FormDesign]) -> Iterator[RestStream]:
    """Yields `forms`, then a stream for each form and for each of its groups that repeat.

    `base` is how forms are read: its client, paging, cursor and parameters.
    """
    yield replace(
        base,
        name="forms",
        columns={**COLUMNS, "form": Kind.JSON, EXTRA: Kind.JSON},
        key=("id",),
        transform=_whole,
    )
    designs = list(designs)
    names = distinct((f"form_{design.slug}", design.xmlns) for design in designs)
    for name, design in zip(names, designs, strict=True):
        params = {**base.params, "xmlns": design.xmlns}
        yield _form_stream(replace(base, name=name, params=params), design)
        repeats = sorted(design.repeats)
        children = distinct((f"{name}__{_words(repeat)}", ".".join(repeat)) for repeat in repeats)
        for child, repeat in zip(children, repeats, strict=True):
            yield _repeat_stream(replace(base, name=child, params=params), design, repeat)


def beside(record: Row, known: Set[str]) -> Row | None:
    """Returns what a record has beside the known properties, as a part of `_extra`."""
    others = {name: record[name] for name in sorted(record.keys() - known - _LEFT_OUT)}
    return {RECORD: others} if others else None


def _form_stream(stream: RestStream, design: FormDesign) -> RestStream:
    questions = {**_META, **design.outside()}
    columns = {column_of(path): kind for path, kind in questions.items()}
    tail = {"form.case": Kind.JSON, EXTRA: Kind.JSON}
    return replace(
        stream,
        columns={**COLUMNS, **columns, **tail},
        key=("id",),
        transform=partial(_typed, questions=questions, drop=_outermost(design.repeats)),
    )


def _repeat_stream(stream: RestStream, design: FormDesign, repeat: Path) -> RestStream:
    questions = {path[len(repeat) :]: kind for path, kind in design.inside(repeat).items()}
    columns = {column_of(repeat + path): kind for path, kind in questions.items()}
    within = [path[len(repeat) :] for path in design.repeats if path[: len(repeat)] == repeat]
    return replace(
        stream,
        columns={**_CHILD, **columns, EXTRA: Kind.JSON},
        key=("form_id", "index"),
        identity=(("id",),),
        expand=partial(
            _entry_rows,
            design=design,
            repeat=repeat,
            questions=questions,
            drop=_outermost(frozenset(path for path in within if path)),
        ),
    )


def _outermost(paths: frozenset[Path]) -> list[Path]:
    return sorted(p for p in paths if not any(p[:n] in paths for n in range(1, len(p))))


def _words(path: Path) -> str:
    return "__".join(slug(name) for name in path)


def _head(row: Row) -> Row:
    form = row.get("form")
    told = form if isinstance(form, dict) else {}
    head = {name: row.get(name) for name in COLUMNS}
    head |= {name: utc(row.get(name)) for name in _INSTANTS}
    head |= {"xmlns": told.get("@xmlns"), "name": told.get("@name")}
    return head if DELETED_AT not in row else {**head, DELETED_AT: row[DELETED_AT]}


def _whole(row: Row) -> Row:
    return {**_head(row), "form": row.get("form"), EXTRA: beside(row, {*COLUMNS, "form"})}


def _typed(row: Row, *, questions: Mapping[Path, Kind], drop: list[Path]) -> Row:
    form = row.get("form")
    answers, rest = split_answers(form if isinstance(form, dict) else {}, questions, drop)
    for name in _HEAD:
        rest.pop(name, None)
    case = rest.pop("case", None)
    rest |= beside(row, {*COLUMNS, "form"}) or {}
    return {**_head(row), **answers, "form.case": case, EXTRA: rest or None}


def _entry_rows(
    row: Row,
    *,
    design: FormDesign,
    repeat: Path,
    questions: Mapping[Path, Kind],
    drop: list[Path],
) -> Iterator[Row]:
    head: Row = {"form_id": row["id"], "archived": row.get("archived")}
    head |= {name: utc(row.get(name)) for name in _CHILD if name in _INSTANTS}
    if DELETED_AT in row:
        head[DELETED_AT] = row[DELETED_AT]
    for index, entry in entries(row.get("form") or {}, repeat, design.repeats):
        given = entry if isinstance(entry, dict) else {"#text": entry}
        answers, rest = split_answers(given, questions, drop)
        named = {column_of(repeat + path): answers[column_of(path)] for path in questions}
        above = index.rpartition(".")[0] or None
        yield {**head, "index": index, "parent_index": above, **named, EXTRA: rest or None}
