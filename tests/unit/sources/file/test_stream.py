from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from penstock.errors import AccessDenied, ConfigError, DataError, TransientError
from penstock.protocol.catalog import SyncMode
from penstock.sdk.config import parse_config, settings_table, spec_of
from penstock.sdk.stream import ReadRequest, State, catalog_stream
from penstock.sources.file import FileConfig, FileSource
from penstock.sources.file import history as history_module
from penstock.sources.file.config import FileOptions, FileStreamConfig
from penstock.sources.file.history import History, history_of
from penstock.sources.file.source import stream_name
from tests.unit.sources.file.reading_files import (
    items_of,
    kinds_of,
    rows_in,
    rows_of,
    stream_of,
    written,
)

REPOSITORY = Path(__file__).parents[4]


def aged(path: Path, seconds: int) -> Path:
    os.utime(path, (seconds, seconds))
    return path


def last_state(items: list[object]) -> dict[str, object]:
    states = [item.value for item in items if isinstance(item, State)]
    return dict(states[-1])


def zipped(data: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("a.csv", data)
    return sink.getvalue()


def zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, "zstd", asbytes=True))


PACKERS: list[tuple[str, Callable[[bytes], bytes]]] = [
    (".gz", gzip.compress),
    (".bz2", bz2.compress),
    (".xz", lzma.compress),
    (".zst", zstd),
    (".zip", zipped),
]


@pytest.mark.parametrize(("suffix", "pack"), PACKERS)
def test_packed_files_are_read(tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    path = written(tmp_path / f"a.csv{suffix}", pack(b"a,b\n1,007\n"))
    assert rows_of(stream_of(path)) == [{"a": 1, "b": "007"}]


@pytest.mark.parametrize(("suffix", "pack"), PACKERS)
def test_a_cut_off_packed_file_is_refused(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    text = b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * 7919 % 1013) for i in range(20_000))
    whole = pack(text)
    path = written(tmp_path / f"a.csv{suffix}", whole[: len(whole) - 9])
    with pytest.raises(DataError, match="is not a whole"):
        rows_of(stream_of(path))


def test_gzip_members_in_a_row_are_one_file(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv.gz", gzip.compress(b"a\n1\n") + gzip.compress(b"2\n"))
    assert rows_of(stream_of(path)) == [{"a": 1}, {"a": 2}]


def test_a_file_without_suffix_is_known_by_its_content(tmp_path: Path) -> None:
    assert rows_of(stream_of(written(tmp_path / "one", '{"a": 1}\n'))) == [{"a": 1}]
    assert rows_of(stream_of(written(tmp_path / "two", "a;b\n1;2\n"))) == [{"a": 1, "b": 2}]


def test_files_are_read_oldest_first_with_their_names_and_times(tmp_path: Path) -> None:
    aged(written(tmp_path / "b.csv", "a\n1\n"), 1_000)
    aged(written(tmp_path / "a.csv", "a\n2\n"), 2_000)
    written(tmp_path / ".hidden.csv", "a\n9\n")
    assert rows_of(stream_of(tmp_path)) == [
        {
            "a": 1,
            "_ab_source_file_url": str(tmp_path / "b.csv"),
            "_ab_source_file_last_modified": "1970-01-01T00:16:40.000000Z",
        },
        {
            "a": 2,
            "_ab_source_file_url": str(tmp_path / "a.csv"),
            "_ab_source_file_last_modified": "1970-01-01T00:33:20.000000Z",
        },
    ]


def test_an_incremental_sync_reads_new_and_changed_files_only(tmp_path: Path) -> None:
    aged(written(tmp_path / "1.csv", "a\n1\n"), 1_000)
    aged(written(tmp_path / "2.csv", "a\n2\n"), 2_000)
    pattern = tmp_path / "*.csv"

    def sync(state: dict[str, object] | None) -> tuple[list[int], dict[str, object]]:
        items = items_of(stream_of(pattern), state, SyncMode.INCREMENTAL)
        return [row["a"] for row in rows_in(items)], last_state(items)

    first, state = sync(None)
    assert first == [1, 2]
    assert sync(state)[0] == []
    aged(written(tmp_path / "0.csv", "a\n0\n"), 500)
    aged(written(tmp_path / "2.csv", "a\n2\n22\n"), 3_000)
    assert sync(state)[0] == [0, 2, 22]


def test_a_full_refresh_after_a_whole_one_reads_everything_again(tmp_path: Path) -> None:
    stream = stream_of(written(tmp_path / "a.csv", "a\n1\n"))
    items = items_of(stream)
    assert rows_in(items_of(stream, last_state(items))) == [{"a": 1}]


def test_every_state_continues_with_exactly_the_remaining_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.sources.file.stream._STATE_BYTES", 1)
    for number in range(2):
        lines = "".join(f"{row},{number}\n" for row in range(150_000))
        aged(written(tmp_path / f"{number}.csv", "a,b\n" + lines), 1_000 + number)
    stream = stream_of(tmp_path / "*.csv")
    items = items_of(stream)
    rows = rows_in(items)
    assert len(rows) == 300_000
    states = [index for index, item in enumerate(items) if isinstance(item, State)]
    assert len(states) > 5
    for index in states[:-1]:
        rest = rows_in(items_of(stream, items[index].value))
        assert rows_in(items[: index + 1]) + rest == rows


def test_a_file_that_changes_while_it_is_read_fails_the_sync(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "a\n" + "1\n" * 200_000)
    stream = stream_of(path)
    assert kinds_of(stream) == {"a": "integer"}
    reading = stream.read(ReadRequest(mode=SyncMode.FULL_REFRESH))
    next(reading)
    with path.open("a") as more:
        more.write("2\n")
    with pytest.raises(TransientError, match="was changed while it was being read"):
        list(reading)


def test_the_history_forgets_the_oldest_files_but_does_not_read_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_module, "KEPT_FILES", 3)
    for number in range(6):
        aged(written(tmp_path / f"{number}.csv", f"a\n{number}\n"), 1_000 + number)
    items = items_of(stream_of(tmp_path / "*.csv"), None, SyncMode.INCREMENTAL)
    state = last_state(items)
    assert len(state["files"]) == 3  # type: ignore[arg-type]
    again = items_of(stream_of(tmp_path / "*.csv"), state, SyncMode.INCREMENTAL)
    assert rows_in(again) == []


def test_a_history_is_given_back_by_its_value() -> None:
    history = History(files={"a": [None, 1, "e"]}, forgotten_until="x", is_complete=True)
    assert history_of(history.value()) == history


@pytest.mark.parametrize("state", [{"cursor": 5}, {"format": 1, "files": {}, "current": {"x": 1}}])
def test_a_foreign_state_is_refused(tmp_path: Path, state: dict[str, object]) -> None:
    stream = stream_of(written(tmp_path / "a.csv", "a\n1\n"))
    with pytest.raises(ConfigError, match="state"):
        items_of(stream, state)


def test_a_missing_file_is_named_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"No file matches .*nothing\.csv"):
        FileSource(FileConfig(path=str(tmp_path / "nothing.csv"))).check()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file_is_named_with_a_remedy(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "a\n1\n")
    path.chmod(0)
    with pytest.raises(AccessDenied):
        rows_of(stream_of(path))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (FileConfig(), "no file to read"),
        (
            FileConfig(
                streams=(FileStreamConfig(path="a/x.csv"), FileStreamConfig(path="b/x.csv"))
            ),
            "Two streams are named x",
        ),
        (
            FileConfig(streams=(FileStreamConfig(path="x.csv", columns={"a": "integr"}),)),
            "columns of x.csv is wrong",
        ),
        (
            FileConfig(streams=(FileStreamConfig(path="x.csv", json_schema="{"),)),
            "not JSON",
        ),
        (
            FileConfig(streams=(FileStreamConfig(path="x.csv", json_schema="{}"),)),
            "no properties",
        ),
    ],
)
def test_wrong_settings_are_refused(config: FileConfig, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        FileSource(config)


def test_an_unknown_column_and_an_unknown_encoding_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "a\n1\n")
    with pytest.raises(ConfigError, match="no file has a column 'b'"):
        kinds_of(stream_of(path, columns={"b": "string"}))
    with pytest.raises(ConfigError, match="no text encoding named 'utf-99'"):
        kinds_of(stream_of(path, options={"encoding": "utf-99"}))


def test_a_given_schema_is_used_as_it_is(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "a,b\n1,2\n")
    schema = '{"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "number"}}}'
    stream = stream_of(path, json_schema=schema)
    assert kinds_of(stream) == {"a": "string", "b": "number"}
    assert rows_of(stream) == [{"a": "1", "b": 2}]


def test_one_file_is_refreshed_and_a_pattern_is_incremental(tmp_path: Path) -> None:
    one = catalog_stream(stream_of(written(tmp_path / "a.csv", "a\n1\n")))
    many = catalog_stream(stream_of(tmp_path / "*.csv"))
    assert one.supported_sync_modes == (SyncMode.FULL_REFRESH,)
    assert one.default_cursor_field is None
    assert many.supported_sync_modes == (SyncMode.FULL_REFRESH, SyncMode.INCREMENTAL)
    assert many.default_cursor_field == ("_ab_source_file_last_modified",)
    assert many.source_defined_cursor is True


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("data/health visits.csv.gz", "health_visits"),
        ("s3://bucket/2025/*.parquet", "2025"),
        ("https://key@host/a/b.jsonl?token=x", "b"),
        ("*.csv", "files"),
        ("/data/visits/", "visits"),
    ],
)
def test_a_stream_is_named_after_its_files(path: str, name: str) -> None:
    assert stream_name(path) == name


def test_the_short_form_and_the_long_one_are_parsed_and_secrets_marked() -> None:
    config = parse_config(
        FileConfig,
        {"path": "x.csv", "streams": [{"path": "y.csv", "options": {"delimiter": ";"}}]},
    )
    assert config.streams[0].options == FileOptions(delimiter=";")
    assert [stream.name for stream in FileSource(config).streams()] == ["x", "y"]
    spec = spec_of(FileConfig, documentation_url=FileSource.documentation_url)
    properties = spec.connection_specification["properties"]
    assert properties["storage_options"]["airbyte_secret"] is True


def test_the_page_shows_the_settings_as_they_are() -> None:
    page = (REPOSITORY / "docs/connectors/source-file.md").read_text("utf-8")
    for settings in (FileConfig, FileStreamConfig):
        assert settings_table(settings) in page


def test_the_example_shows_what_gets_lost_elsewhere() -> None:
    stream = stream_of(REPOSITORY / "examples/health_visits.csv")
    kinds = kinds_of(stream)
    assert kinds["pin_code"] == "string"
    assert kinds["visited_on"] == "date"
    rows = rows_of(stream)
    assert len(rows) == 500
    assert any(row["pin_code"].startswith("0") for row in rows)
    assert any("\n" in (row["remarks"] or "") for row in rows)
