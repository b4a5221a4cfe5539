"""What a user of the MySQL destination gets, on a real MariaDB server."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from penstock.data.types import Kind
from penstock.destinations.mysql import MySQLConfig, MySQLDestination
from penstock.destinations.mysql.dialect import MySQLDialect, replaced_mark
from penstock.destinations.mysql.session import MySQLSession, aside_name
from penstock.errors import AccessDenied, ConfigError, ConnectionFailed
from penstock.sdk.destination import StoredState, StreamPlan, TableName, WriteMode
from penstock.sdk.mysql.address import Address, Preferred, Required, VerifyIdentity
from penstock.testing.feed import batch_of, page_of, state_at, stored_state
from penstock.testing.lab import plan_for, simple_plan, simple_rows
from tests.servers.mariadb import MariaDatabase, running_mariadb

VISITS = TableName(schema=None, name="visits")


def destination_of(database: MariaDatabase, /, **others: Any) -> MySQLDestination:
    known: dict[str, Any] = {
        "host": database.host,
        "port": database.port,
        "database": database.name,
        "username": database.user,
        "password": database.password,
    }
    return MySQLDestination(MySQLConfig(**{**known, **others}))


def overwritten(database: MariaDatabase, *, up_to: str) -> StreamPlan:
    """Overwrites a table of two rows by one of three, and ends where a killed process would.

    `up_to` is the last step done: rows and state committed, the old table marked, the two renamed.
    """
    old = simple_plan(VISITS, WriteMode.OVERWRITE, generation_id=1)
    with destination_of(database).open(old) as writer:
        writer.write(batch_of(old, simple_rows(1, 2)))
        writer.finish(state_at(old, 1))
    new = replace(old, generation_id=2)
    with destination_of(database).open(new) as writer:
        writer.write(batch_of(new, simple_rows(3, 4, 5)))
        writer.commit(state_at(new, 2))
    address = Address(
        host=database.host,
        port=database.port,
        username=database.user,
        password=database.password,
        ssl_mode=Preferred(),
        application="test",
    )
    session = MySQLSession(address, MySQLDialect(database.name))
    staging = TableName(schema=None, name="visits__gen2")
    if up_to == "renamed":
        session.publish(staging, VISITS)
    elif up_to == "marked":
        session.execute(f"ALTER TABLE {database.name}.visits COMMENT '{replaced_mark(VISITS)}'")
    session.close()
    return new


def ids(database: MariaDatabase) -> list[int]:
    return [number for (number,) in database.rows("SELECT id FROM visits ORDER BY id")]


def tables(database: MariaDatabase) -> list[str]:
    return sorted(name for (name,) in database.rows("SHOW TABLES"))


def stored(database: MariaDatabase, plan: StreamPlan) -> StoredState:
    found = stored_state(destination_of(database), plan)
    assert found is not None
    return found


@pytest.mark.parametrize("up_to", ["committed", "marked"])
def test_an_overwrite_that_ended_before_its_rename_is_continued(
    mariadb: MariaDatabase, up_to: str
) -> None:
    plan = overwritten(mariadb, up_to=up_to)
    assert ids(mariadb) == [1, 2]
    before = stored(mariadb, plan)
    assert (page_of(before.state), before.is_complete) == (2, False)
    with destination_of(mariadb).open(replace(plan, resumes=True, fence=1)) as writer:
        writer.finish(state_at(plan, 2))
    assert ids(mariadb) == [3, 4, 5]
    assert stored(mariadb, plan).is_complete
    assert tables(mariadb) == ["_penstock_state", "visits"]


def test_an_overwrite_that_ended_behind_its_rename_is_complete(mariadb: MariaDatabase) -> None:
    plan = overwritten(mariadb, up_to="renamed")
    assert ids(mariadb) == [3, 4, 5]
    after = stored(mariadb, plan)
    assert (page_of(after.state), after.is_complete) == (2, True)
    append = replace(plan, mode=WriteMode.APPEND, fence=1)
    with destination_of(mariadb).open(append) as writer:
        writer.write(batch_of(plan, simple_rows(6)))
        writer.finish(state_at(plan, 3))
    assert ids(mariadb) == [3, 4, 5, 6]
    assert tables(mariadb) == ["_penstock_state", "visits"]


def test_a_table_that_a_crash_left_aside_is_put_back(mariadb: MariaDatabase) -> None:
    plan = overwritten(mariadb, up_to="marked")
    mariadb.run(f"RENAME TABLE visits TO {aside_name(VISITS)}")
    with destination_of(mariadb).open(replace(plan, resumes=True, fence=1)) as writer:
        assert ids(mariadb) == [1, 2]
        writer.finish(state_at(plan, 2))
    assert ids(mariadb) == [3, 4, 5]
    assert tables(mariadb) == ["_penstock_state", "visits"]


def test_rows_arrive_where_the_server_takes_no_files() -> None:
    with running_mariadb(local_infile="0") as server:
        database = server.create_database("warehouse")
        kinds = {"id": Kind.INTEGER, "text": Kind.STRING, "share": Kind.NUMBER}
        plan = plan_for(VISITS, kinds, WriteMode.APPEND)
        odd = 'it\'s \\ "100 %s" \n\t\x00 पुणे 👩'
        rows = [{"id": n, "text": f"{odd}{n}", "share": n / 3} for n in range(5000)]
        with destination_of(database).open(plan) as writer:
            writer.write(batch_of(plan, rows))
            assert writer.finish(None) == len(rows)
        found = database.rows("SELECT id, text, share FROM visits ORDER BY id")
        assert found == [(row["id"], row["text"], row["share"]) for row in rows]


def test_values_that_a_foreign_column_cannot_hold_are_recorded(mariadb: MariaDatabase) -> None:
    mariadb.run(
        "CREATE TABLE visits (id int, name varchar(3), share float, day varchar(20),"
        " _airbyte_raw_id longtext, _airbyte_extracted_at datetime(6),"
        " _airbyte_meta longtext, _airbyte_generation_id bigint) DEFAULT CHARSET utf8mb4"
    )
    kinds = {"id": Kind.INTEGER, "name": Kind.STRING, "share": Kind.NUMBER, "day": Kind.DATE}
    plan = plan_for(VISITS, kinds, WriteMode.APPEND)
    rows = [
        {"id": 7, "name": "abc", "share": 0.5, "day": 19_000},
        {"id": 1 << 40, "name": "abcd", "share": 0.1, "day": None},
    ]
    with destination_of(mariadb).open(plan) as writer:
        writer.write(batch_of(plan, rows))
        assert writer.finish(None) == len(rows)
    found = mariadb.rows("SELECT id, name, share + 0e0, day FROM visits ORDER BY name DESC")
    assert found == [(7, "abc", 0.5, "2022-01-08"), (None, None, 0.10000000149011612, None)]
    meta = mariadb.rows("SELECT _airbyte_meta FROM visits WHERE id IS NULL")[0][0]
    changes = {each["field"]: each["change"] for each in json.loads(meta)["changes"]}
    assert changes == {"id": "NULLED", "name": "NULLED", "share": "TRUNCATED"}


def test_a_constraint_in_the_way_is_told_and_nothing_is_committed(mariadb: MariaDatabase) -> None:
    plan = simple_plan(VISITS, WriteMode.APPEND)
    destination = destination_of(mariadb)
    with destination.open(plan) as writer:
        writer.write(batch_of(plan, simple_rows(1)))
        writer.commit(state_at(plan, 1))
    mariadb.run("ALTER TABLE visits ADD UNIQUE (id)")
    with destination.open(plan) as writer:
        writer.write(batch_of(plan, simple_rows(2, 1)))
        with pytest.raises(ConfigError, match="Drop the constraint"):
            writer.commit(state_at(plan, 2))
    assert ids(mariadb) == [1]
    assert page_of(stored(mariadb, plan).state) == 1


def test_a_view_in_the_place_of_the_table_is_told(mariadb: MariaDatabase) -> None:
    mariadb.run("CREATE VIEW visits AS SELECT 1 AS id")
    plan = simple_plan(VISITS, WriteMode.APPEND)
    with pytest.raises(ConfigError, match="visits"), destination_of(mariadb).open(plan):
        pass


def test_a_user_without_rights_is_told_what_to_grant(mariadb: MariaDatabase) -> None:
    name = f"w_{mariadb.name[-12:]}"
    mariadb.run(
        f"CREATE USER {name} IDENTIFIED BY 'writer'", f"GRANT SELECT ON {mariadb.name}.* TO {name}"
    )
    destination = destination_of(mariadb.as_user(name, "writer"))
    with pytest.raises(AccessDenied, match="GRANT"):
        destination.check()


def test_the_documented_rights_are_enough(mariadb: MariaDatabase) -> None:
    name = f"w_{mariadb.name[-12:]}"
    mariadb.run(
        f"CREATE USER {name} IDENTIFIED BY 'writer'",
        "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, CREATE TEMPORARY TABLES"
        f" ON {mariadb.name}.* TO {name}",
    )
    destination = destination_of(mariadb.as_user(name, "writer"))
    destination.check()
    for number, mode in enumerate(WriteMode):
        plan = simple_plan(replace(VISITS, name=f"visits_{number}"), mode, generation_id=1)
        for _ in range(2):
            with destination.open(plan) as writer:
                writer.write(batch_of(plan, simple_rows(1, 2)))
                assert writer.finish(None) == 2


def test_a_server_without_tls_is_refused_where_tls_is_required(mariadb: MariaDatabase) -> None:
    with pytest.raises(ConfigError, match=r"TLS|SSL"):
        destination_of(mariadb, ssl_mode=Required()).check()


def test_a_certificate_that_is_none_is_refused(mariadb: MariaDatabase) -> None:
    mode = VerifyIdentity(
        ca_certificate="-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"
    )
    with pytest.raises(ConfigError, match="ca_certificate"):
        destination_of(mariadb, ssl_mode=mode).check()


def test_a_port_where_nobody_listens_is_told(mariadb: MariaDatabase) -> None:
    with pytest.raises(ConnectionFailed, match="port"):
        destination_of(mariadb, port=1).check()
