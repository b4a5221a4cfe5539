"""Streams of one name: in several namespaces of a source, and of several sources in one cache."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from penstock.library import exceptions as exc
from penstock.library.caches import DuckDBCache
from penstock.library.sources import Source
from tests.integration.library.transcripts import Replayed, record, status, stream

QUALIFIED = ["public.users", "sales.users"]


def _in(namespace: str, message: dict[str, Any]) -> dict[str, Any]:
    trace = message.get("trace", {}).get("stream_status", {}).get("stream_descriptor")
    (message.get("record") or trace)["namespace"] = namespace
    return message


@pytest.fixture
def source(replayed: Replayed) -> Source:
    described = [{**stream("users", key=[["id"]]), "namespace": one} for one in ("public", "sales")]
    lines = [
        _in("public", record("users", id=1, v="of public")),
        _in("public", status("COMPLETE", "users")),
        _in("sales", record("users", id=1, v="of sales")),
        _in("sales", status("COMPLETE", "users")),
    ]
    return replayed.source(replayed.write([*described, stream("plain")], lines))


def test_a_name_that_comes_twice_is_told_with_its_namespace(source: Source) -> None:
    assert source.get_available_streams() == [*QUALIFIED, "plain"]
    source.select_streams("sales.users")
    assert source.get_selected_streams() == ["sales.users"]
    assert source.get_stream_json_schema("public.users")["type"] == "object"
    assert list(source.get_samples(QUALIFIED, limit=1, on_error="log")) == QUALIFIED


def test_a_name_that_means_two_streams_is_refused(source: Source) -> None:
    with pytest.raises(exc.PyAirbyteInputError, match=r"public\.users, sales\.users"):
        source.select_streams(["users", "plain"])


def test_two_namespaces_never_meet_in_one_table(source: Source, cache: DuckDBCache) -> None:
    with pytest.raises(exc.PyAirbyteInputError, match="both land in table"):
        source.read(cache, streams=QUALIFIED)
    source.read(cache, streams="public.users")
    with pytest.raises(exc.PyAirbyteInputError, match="both land in table") as raised:
        source.read(cache, streams="sales.users")
    assert 'table_prefix="sales_"' in str(raised.value)
    assert [row["v"] for row in cache["users"]] == ["of public"]


def test_each_namespace_has_a_cache_of_its_own_in_one_file(source: Source, tmp_path: Path) -> None:
    for namespace in ("public", "sales"):
        mine = DuckDBCache(tmp_path / "all.duckdb", table_prefix=f"{namespace}_")
        result = source.read(mine, streams=f"{namespace}.users")
        assert [row["v"] for row in result[f"{namespace}.users"]] == [f"of {namespace}"]
        assert [row["v"] for row in result["users"]] == [f"of {namespace}"]
    rows = mine.run_sql_query("SELECT v FROM public_users UNION ALL SELECT v FROM sales_users")
    assert sorted(row["v"] for row in rows) == ["of public", "of sales"]


def test_keys_are_set_for_one_namespace_or_for_all(source: Source) -> None:
    source.set_primary_key("sales.users", ["id", "v"])
    source.set_primary_key("plain", "v")
    configured = source.get_configured_catalog([*QUALIFIED, "plain"]).streams
    keys = {str(each.stream.descriptor): each.primary_key for each in configured}
    assert keys == {
        "public.users": (("id",),),
        "sales.users": (("id",), ("v",)),
        "plain": (("v",),),
    }


@pytest.mark.parametrize(
    ("strategy", "loss"),
    [("merge", "equal keys"), ("replace", "replaces them"), ("append", None)],
)
def test_two_sources_in_one_table_are_warned_of(
    replayed: Replayed, cache: DuckDBCache, strategy: str, loss: str | None
) -> None:
    lines = [record(id=1), status("COMPLETE")]
    path = replayed.write([stream(key=[["id"]])], lines)
    replayed.source(path, "source-one").read(cache, write_strategy=strategy)
    other = replayed.source(path, "source-two")
    if loss is None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            other.read(cache, write_strategy=strategy)
        assert len(cache["items"]) == 2
        return
    with pytest.warns(exc.PyAirbyteDataLossWarning, match=f"source-one; source-two .*{loss}"):
        other.read(cache, write_strategy=strategy)
    assert len(cache["items"]) == 1
