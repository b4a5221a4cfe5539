"""The source suite: subclass it, give a small configuration, and run pytest.

    class TestFaker(SourceSuite):
        source = FakerSource

        def config(self, place: Path) -> FakerConfig:
            return FakerConfig(rows=200, seed=7, state_every=50)

        wrong_configs = {"rows": {"rows": -1}}

The configuration should give some hundred rows and several states a stream, and always the same
rows: the other side is a recording, a local server or a file.
"""

from __future__ import annotations

import gc
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Final

import jsonschema
import pyarrow as pa
import pytest

from penstock.data.json_rows import JsonRows
from penstock.data.types import columns_of
from penstock.errors import PenstockError
from penstock.protocol.catalog import SyncMode
from penstock.sdk.config import parse_config, spec_of
from penstock.sdk.source import Source
from penstock.sdk.stream import ReadRequest, State, Stream
from penstock.testing import expect
from penstock.testing.cells import found_rows
from penstock.testing.gaps import Gap
from penstock.testing.misfits import misfits

_MOST_STATES: Final = 40
"""Of more states than this, the first, the last and some between are resumed from."""
_RELEASE_SECONDS: Final = 2.0
_SECRET_NAME: Final = re.compile(
    r"(^|_)(password|passwd|secret|token|api_?key|private_key|access_key|passphrase)($|_)",
    re.IGNORECASE,
)

RowText = str
"""A row as text that is equal for equal values of equal types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Everything one read gave: rows, and of each state how many rows came before it."""

    rows: tuple[RowText, ...]
    states: tuple[tuple[int, Mapping[str, Any]], ...]


class SourceSuite:
    """Runs every promise of a source against a real one, through its public interface."""

    source: ClassVar[Any]
    """The source class."""
    wrong_configs: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """For a field, the settings in which it is wrong, as a user would write them."""
    future_states: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """For a stream, a state beyond everything the other side has."""
    lookback_rows: ClassVar[int] = 0
    """Rows a stream may read again when it continues from its last state."""
    gaps: ClassVar[tuple[Gap, ...]] = ()

    def config(self, place: Path) -> Any:
        """Returns a configuration; `place` is an empty folder for what it needs."""
        raise NotImplementedError

    def empty_config(self, place: Path) -> Any:
        """Returns a configuration whose streams have no rows; None where there is none."""
        del place

    @pytest.fixture
    def made(self, tmp_path: Path) -> Source:
        """The source under test."""
        made: Source = self.source(self.config(tmp_path))
        return made

    @pytest.fixture(autouse=True)
    def _expects_gaps_to_fail(self, request: pytest.FixtureRequest) -> None:
        name = getattr(request.node, "originalname", request.node.name)
        case = request.node.callspec.id if hasattr(request.node, "callspec") else None
        for gap in self.gaps:
            if gap.covers(name, case):
                request.node.add_marker(pytest.mark.xfail(reason=str(gap), strict=True))

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Gives the test of wrong configurations each of them."""
        if "wrong_field" in metafunc.fixturenames:
            metafunc.parametrize("wrong_field", list(self.wrong_configs))

    def test_spec_is_a_valid_json_schema(self) -> None:
        schema = self._spec()
        jsonschema.Draft7Validator.check_schema(schema)
        expect.equal("object", schema.get("type"), "type of the specification")
        for name, field in schema.get("properties", {}).items():
            told = field.get("title") and field.get("description")
            expect.true(bool(told), f"setting {name!r} needs a title and a description")

    def test_secrets_are_marked_in_the_spec(self) -> None:
        schema = self._spec()
        for path, field in _settings(schema):
            if _SECRET_NAME.search(path.rsplit(".", 1)[-1]) and field.get("type") == "string":
                expect.true(field.get("airbyte_secret") is True, f"setting {path!r} is a secret")

    def test_source_says_its_title_and_where_its_documentation_is(self) -> None:
        expect.true(bool(self.source.title.strip()), "a source has a title")
        url = self.source.documentation_url
        expect.true(url.startswith("https://"), f"documentation_url {url!r} is an https address")

    def test_check_accepts_the_configuration(self, made: Source) -> None:
        made.check()

    def test_wrong_configuration_is_refused_naming_the_field(self, wrong_field: str) -> None:
        values = self.wrong_configs[wrong_field]
        error = expect.refused(
            lambda: self.source(parse_config(self.source.Config, values)).check(),
            f"a configuration with a wrong {wrong_field!r}",
        )
        expect.equal("config_error", error.failure_type, f"kind of the error {error!r}")
        told = f"{error} {error.context}"
        expect.true(wrong_field in told, f"the error does not name {wrong_field!r}: {told}")

    def test_streams_have_names_of_their_own(self, made: Source) -> None:
        names = [(stream.namespace, stream.name) for stream in made.streams()]
        expect.true(bool(names), "a source has streams")
        expect.distinct(names, "names of streams")
        expect.true(all(name.strip() for _, name in names), "every stream has a name")

    def test_schema_of_each_stream_is_valid_and_has_key_and_cursor(self, made: Source) -> None:
        for stream in made.streams():
            jsonschema.Draft7Validator.check_schema(dict(stream.json_schema))
            properties = stream.json_schema.get("properties", {})
            expect.true(bool(properties), f"{stream.name}: the schema has properties")
            expect.true(bool(stream.modes), f"{stream.name}: it has a sync mode")
            cursors = [stream.cursor] if stream.cursor else []
            for path in (*stream.primary_key, *cursors):
                expect.true(bool(path), f"{stream.name}: a key or cursor has a path")
                expect.true(path[0] in properties, f"{stream.name}: {path} is in the schema")

    def test_streams_are_the_same_when_asked_again(self, made: Source) -> None:
        first, second = ([_facts(stream) for stream in made.streams()] for _ in range(2))
        expect.equal(first, second, "streams")

    def test_two_full_reads_are_equal(self, made: Source) -> None:
        for stream in made.streams():
            request = ReadRequest(mode=stream.modes[0])
            first, second = (read(stream, request) for _ in range(2))
            _same_rows(first.rows, second.rows, f"{stream.name}: the second read")

    def test_some_stream_has_rows(self, made: Source) -> None:
        rows = [len(read(s, ReadRequest(mode=s.modes[0])).rows) for s in made.streams()]
        expect.true(any(rows), "no stream has a row: the configuration of the suite proves nothing")

    def test_primary_keys_are_unique(self, made: Source) -> None:
        for stream in made.streams():
            if stream.primary_key and all(len(path) == 1 for path in stream.primary_key):
                names = [path[0] for path in stream.primary_key]
                rows = _values(stream, ReadRequest(mode=stream.modes[0]), names)
                expect.distinct(rows, f"{stream.name}: primary keys")

    def test_values_are_what_the_schema_declares(self, made: Source) -> None:
        for stream in made.streams():
            pages = _pages(stream, ReadRequest(mode=stream.modes[0]))
            wrong = next(misfits(columns_of(stream.json_schema), pages), None)
            expect.true(wrong is None, f"{stream.name}: {wrong}")

    def test_states_are_json_objects(self, made: Source) -> None:
        for stream, mode in _resumable(made):
            for _, state in read(stream, ReadRequest(mode=mode)).states:
                again = json.loads(json.dumps(state))
                expect.equal(dict(state), again, f"{stream.name}: a state after a round as JSON")

    def test_each_state_continues_with_exactly_the_rows_after_it(self, made: Source) -> None:
        for stream, mode in _resumable(made):
            whole = read(stream, ReadRequest(mode=mode))
            expect.true(bool(whole.states), f"{stream.name}: an {mode} read yields a state")
            for covered, state in _some(whole.states):
                rest = read(stream, ReadRequest(mode=mode, state=_through_json(state)))
                self._continues(whole.rows, covered, rest.rows, f"{stream.name}, {mode}, {state}")

    def test_last_state_leaves_nothing_to_read(self, made: Source) -> None:
        for stream in made.streams():
            if SyncMode.INCREMENTAL in stream.modes:
                whole = read(stream, ReadRequest(mode=SyncMode.INCREMENTAL))
                covered, last = whole.states[-1]
                what = f"{stream.name}: rows after the last state"
                expect.equal(len(whole.rows), covered, f"{what} of a whole read")
                again = read(
                    stream, ReadRequest(mode=SyncMode.INCREMENTAL, state=_through_json(last))
                )
                expect.true(
                    len(again.rows) <= self.lookback_rows,
                    f"{what}: {len(again.rows)}, at most {self.lookback_rows} (lookback_rows)",
                )

    def test_broken_state_is_refused_or_reads_nothing(self, made: Source) -> None:
        for stream, mode in _resumable(made):
            for _, state in read(stream, ReadRequest(mode=mode)).states[-1:]:
                broken = {key: {"not": "yours"} for key in state}
                _reads_nothing(stream, ReadRequest(mode=mode, state=broken), "a broken state")

    def test_future_state_is_refused_or_reads_nothing(self, made: Source) -> None:
        streams = {stream.name: stream for stream in made.streams()}
        for name, state in self.future_states.items():
            request = ReadRequest(mode=SyncMode.INCREMENTAL, state=state)
            _reads_nothing(streams[name], request, "a state in the future")

    def test_closing_early_releases_threads_and_files(self, made: Source) -> None:
        gc.collect()
        for stream in made.streams():
            read(stream, ReadRequest(mode=stream.modes[0]))
            before = _held()
            items = stream.read(ReadRequest(mode=stream.modes[0]))
            next(iter(items), None)
            close: Callable[[], None] | None = getattr(items, "close", None)
            if close is None:
                raise expect.broken(f"{stream.name}: the iterator of read has no close()")
            close()
            del items, close
            held = _held_more_than(before)
            expect.equal([], held, f"{stream.name}: held after closing early")

    def test_no_rows_are_read_as_no_rows(self, tmp_path: Path) -> None:
        config = self.empty_config(tmp_path)
        if config is None:
            pytest.skip("this source always has rows (empty_config)")
        for stream in self.source(config).streams():
            for mode in stream.modes:
                reading = read(stream, ReadRequest(mode=mode))
                expect.equal((), reading.rows, f"{stream.name}: rows")

    def _spec(self) -> dict[str, Any]:
        url = self.source.documentation_url
        return spec_of(self.source.Config, documentation_url=url).connection_specification

    def _continues(
        self, rows: Sequence[RowText], covered: int, rest: Sequence[RowText], what: str
    ) -> None:
        remaining, got = Counter(rows[covered:]), Counter(rest)
        lost, again = remaining - got, got - remaining
        foreign = again - Counter(rows[:covered])
        expect.equal({}, dict(lost), f"{what}: rows lost")
        expect.equal({}, dict(foreign), f"{what}: rows of no full read")
        read_again = again.total()
        expect.true(
            read_again <= self.lookback_rows,
            f"{what}: {read_again} rows are read again, for one {next(iter(again), None)}",
        )


def read(stream: Stream, request: ReadRequest) -> Reading:
    """Reads a stream to its end."""
    rows: list[RowText] = []
    states: list[tuple[int, Mapping[str, Any]]] = []
    for item in stream.read(replace(request, takes_json=True)):
        if isinstance(item, State):
            states.append((len(rows), item.value))
        else:
            rows.extend(_texts(item))
    return Reading(rows=tuple(rows), states=tuple(states))


def _pages(stream: Stream, request: ReadRequest) -> Iterator[pa.RecordBatch | list[dict[str, Any]]]:
    for item in stream.read(replace(request, takes_json=True)):
        if isinstance(item, JsonRows):
            yield list(item)
        elif not isinstance(item, State):
            yield item


def _plain_rows(page: pa.RecordBatch | list[dict[str, Any]] | JsonRows) -> list[dict[str, Any]]:
    if isinstance(page, pa.RecordBatch):
        rows = found_rows(pa.Table.from_batches([page]))
        return [{name: found.cell for name, found in row.items()} for row in rows]
    return list(page)


def _texts(page: pa.RecordBatch | list[dict[str, Any]] | JsonRows) -> list[RowText]:
    return [repr(sorted(row.items())) for row in _plain_rows(page)]


def _values(stream: Stream, request: ReadRequest, names: Sequence[str]) -> list[str]:
    return [
        repr([row.get(name) for name in names])
        for page in _pages(stream, request)
        for row in _plain_rows(page)
    ]


def _resumable(source: Source) -> Iterator[tuple[Stream, SyncMode]]:
    """Yields each stream with the modes whose states can be continued from."""
    for stream in source.streams():
        if SyncMode.INCREMENTAL in stream.modes:
            yield stream, SyncMode.INCREMENTAL
        if SyncMode.FULL_REFRESH in stream.modes and stream.is_resumable:
            yield stream, SyncMode.FULL_REFRESH


def _some(
    states: Sequence[tuple[int, Mapping[str, Any]]],
) -> Sequence[tuple[int, Mapping[str, Any]]]:
    if len(states) <= _MOST_STATES:
        return states
    step = (len(states) - 1) / (_MOST_STATES - 1)
    return [states[round(number * step)] for number in range(_MOST_STATES)]


def _through_json(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """As a state comes back: from a database, after a restart."""
    copy: Mapping[str, Any] = json.loads(json.dumps(state))
    return copy


def _same_rows(first: Sequence[RowText], second: Sequence[RowText], what: str) -> None:
    missing, surplus = Counter(first) - Counter(second), Counter(second) - Counter(first)
    expect.equal(({}, {}), (dict(missing), dict(surplus)), f"{what}: rows (missing, surplus)")


def _reads_nothing(stream: Stream, request: ReadRequest, what: str) -> None:
    try:
        rows = read(stream, request).rows
    except PenstockError as error:
        expect.true(bool(error.remedy.strip()), f"{stream.name}: {what}: {error!r} has no remedy")
        return
    expect.equal((), rows, f"{stream.name}: {what} is neither refused nor reads nothing; rows")


def _facts(stream: Stream) -> tuple[object, ...]:
    schema = json.dumps(stream.json_schema, sort_keys=True)
    modes = tuple(stream.modes)
    return stream.namespace, stream.name, schema, stream.primary_key, stream.cursor, modes


def _settings(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        yield here, field
        yield from _settings(field, here)
        yield from _settings(field.get("items", {}), here)
    for branch in schema.get("oneOf", ()):
        yield from _settings(branch, path)


def _held() -> Counter[str]:
    """Returns the threads and, on Linux, the open files of this process."""
    held = Counter(f"thread {thread.name}" for thread in threading.enumerate())
    files = Path("/proc/self/fd")
    if files.is_dir():
        for number in files.iterdir():
            try:
                held[f"file {number.readlink()}"] += 1
            except FileNotFoundError:
                continue
    return held


def _held_more_than(before: Counter[str]) -> list[str]:
    deadline = time.monotonic() + _RELEASE_SECONDS
    while True:
        more = list((_held() - before).elements())
        more = [name for name in more if "/proc/" not in name]
        if not more or time.monotonic() > deadline:
            return more
        time.sleep(0.02)
        gc.collect()
