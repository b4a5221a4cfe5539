"""Rows and tables shown by a server: previews, names, counts, and SQL that can only look."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from tests.servers.up import Up, running


@dataclass
class Moved:
    """A server whose connection has run once."""

    up: Up
    source: str
    destination: str
    connection: str

    def post(self, path: str, body: Any, status: int = 200) -> Any:
        return self.up.post(path, body, status)


BIG = 9007199254740993
ROWS = f"id,amount,name\n1,{BIG},Ada\n2,{BIG + 2},Grace\n3,7,Edsger\n"


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moved]:
    folder = tmp_path_factory.mktemp("looking")
    (folder / "people.csv").write_text(ROWS)
    with running(folder / "up") as up:
        streams = [{"name": "people", "path": str(folder / "people.csv")}]
        source = up.connector("source-file", {"streams": streams})["id"]
        path = str(folder / "warehouse.duckdb")
        destination = up.connector("destination-duckdb", {"path": path})["id"]
        probe = up.post("/probes/discover", {"source_id": source}, 202)
        assert up.ended(f"/probes/{probe['id']}")["status"] == "succeeded"
        body = {
            "workspace_id": up.workspace,
            "source_id": source,
            "destination_id": destination,
            "streams": [{"name": "people"}],
            "prefix": "raw_",
            "runs_now": True,
        }
        connection = up.post("/connections", body)["id"]
        run = up.get(f"/runs?connection_id={connection}")["items"][0]
        assert up.ended(f"/runs/{run['id']}")["status"] == "succeeded"
        yield Moved(up, source, destination, connection)


def test_a_preview_shows_the_first_rows_with_large_integers_whole(moved: Moved) -> None:
    body = {"stream": "people", "limit": 2}
    found = moved.post(f"/sources/{moved.source}/preview", body)
    names = [each["name"] for each in found["columns"]]
    first = dict(zip(names, found["rows"][0], strict=True))
    assert (first["id"], first["amount"], first["name"]) == (1, str(BIG), "Ada")
    assert (len(found["rows"]), found["is_cut"]) == (2, True)


def test_a_preview_applies_the_mappers_of_the_draft(moved: Moved) -> None:
    body = {
        "stream": "people",
        "selected_fields": [["id"], ["name"]],
        "mappers": [{"type": "hashing", "mapperConfiguration": {"targetField": "name"}}],
    }
    found = moved.post(f"/sources/{moved.source}/preview", body)
    assert [each["name"] for each in found["columns"]] == ["id", "name_hashed"]
    assert {len(row[1]) for row in found["rows"]} == {64}


def test_a_preview_of_no_stream_says_what_to_do(moved: Moved) -> None:
    answer = moved.up.client.post(f"/sources/{moved.source}/preview", json={"stream": "nobody"})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_name")
    assert "discover" in answer.json()["remedy"].lower()


def test_the_names_of_a_draft_are_those_its_tables_get_and_collisions_are_told(
    moved: Moved,
) -> None:
    body = {
        "source_id": moved.source,
        "destination_id": moved.destination,
        "streams": [{"name": "people"}, {"name": "other", "destination_object_name": "People"}],
        "prefix": "raw_",
        "namespace_rule": "custom_format",
        "namespace_format": "lake",
    }
    found = moved.post("/connections/preview-naming", body)
    assert [(each["schema_name"], each["table"]) for each in found["items"]] == [
        ("lake", "raw_people"),
        ("lake", "raw_people"),
    ]
    assert found["collisions"] == 1
    assert all(each["is_shared"] for each in found["items"])


def test_tables_are_counted_and_tell_how_new_they_are(moved: Moved) -> None:
    (found,) = moved.up.get(f"/connections/{moved.connection}/tables")["items"]
    assert (found["table"], found["rows"], found["exists"]) == ("raw_people", 3, True)
    assert found["newest_at"] is not None
    assert found["failure"] is None


def test_rows_of_a_table_come_back_exactly(moved: Moved) -> None:
    found = moved.up.get(f"/connections/{moved.connection}/rows?stream=people&limit=10")
    names = [each["name"] for each in found["columns"]]
    amounts = {row[names.index("amount")] for row in found["rows"]}
    assert amounts == {str(BIG), str(BIG + 2), 7}


def test_a_select_is_answered_and_noted_with_who_asked(moved: Moved) -> None:
    sql = "SELECT count(*) AS n, sum(amount) AS total FROM raw_people"
    found = moved.post(f"/destinations/{moved.destination}/query", {"sql": sql})
    assert found["rows"] == [[3, str(2 * BIG + 9)]]
    noted = moved.up.get("/audit")["items"][0]
    assert (noted["action"], noted["detail"]["sql"]) == ("destination.query", sql)
    assert noted["actor"] == "admin@localhost"


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM raw_people",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM no_such_table",
        "SELEC 1",
    ],
)
def test_sql_that_changes_or_reaches_anything_is_refused(moved: Moved, sql: str) -> None:
    answer = moved.up.client.post(f"/destinations/{moved.destination}/query", json={"sql": sql})
    assert answer.status_code in (403, 422), answer.text
    assert answer.json()["remedy"]


def test_a_select_that_takes_too_long_is_stopped(moved: Moved) -> None:
    sql = "SELECT count(*) FROM range(1000000) a, range(1000000) b, range(1000) c"
    body = {"sql": sql, "seconds": 0.5}
    answer = moved.up.client.post(f"/destinations/{moved.destination}/query", json=body)
    assert (answer.status_code, answer.json()["code"]) == (507, "resource_exhausted")


def test_nothing_that_was_refused_has_changed_anything(moved: Moved) -> None:
    moved.up.client.post(
        f"/destinations/{moved.destination}/query", json={"sql": "DELETE FROM raw_people"}
    )
    (found,) = moved.up.get(f"/connections/{moved.connection}/tables")["items"]
    assert found["rows"] == 3


def test_what_a_destination_can_do_is_told(moved: Moved) -> None:
    found = moved.up.get(f"/destinations/{moved.destination}/facts")
    assert (found["reads_back"], found["confines_sql"], found["runs_sql"]) == (True, True, True)


def test_questions_asked_at_once_of_a_file_take_turns(moved: Moved) -> None:
    here = f"/connections/{moved.connection}"
    paths = [f"{here}/tables", f"{here}/rows?stream=people"] * 2
    with ThreadPoolExecutor(4) as four:
        answers = list(four.map(moved.up.client.get, paths))
    assert [each.status_code for each in answers] == [200] * 4, [each.text for each in answers]
    assert answers[0].json()["items"][0]["rows"] == 3
