"""MySQL, on a MariaDB server, keeps every promise of a destination."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from penstock.destinations.mysql import MySQLConfig, MySQLDestination
from penstock.testing.destination_suite import DestinationSuite
from penstock.testing.gaps import never
from tests.servers.mariadb import MariaServer, mariadb_near

_YEARS = "MySQL's dates and times are of the years 1 to 9999; NULL, and that is recorded"
_NAMES = "MySQL's names end in no space and have no letters beyond U+FFFF; ours are plain"
_ZERO = "MySQL keeps minus zero as zero, in every column and expression"


@pytest.mark.usefixtures("mariadb_server")
class TestMySQL(DestinationSuite):
    destination = MySQLDestination
    loaded_once = ("penstock.destinations.mysql.session",)
    gaps = (
        *(
            never("test_value_comes_back_exactly", case=case, reason=_YEARS)
            for case in (
                "date: 44 BC",
                "date: year 12000",
                "timestamp: 44 BC",
                "timestamp_tz: 44 BC",
            )
        ),
        never("test_value_comes_back_exactly", case="number: -0", reason=_ZERO),
        never("test_all_kinds_come_back_at_once", reason=_ZERO),
        *(
            never(test, case=f"{name}{mode}", reason=_NAMES)
            for name in ("emoji 🚰", " space around ")
            for test, mode in (
                ("test_odd_name_of_a_column_is_kept", "-append_dedup"),
                ("test_odd_name_of_a_table_is_kept", ""),
            )
        ),
    )

    def config(self, place: Path) -> MySQLConfig:
        return config_for(mariadb_near(place), database_of(place))

    def wrong_config(self, place: Path) -> MySQLConfig:
        return config_for(mariadb_near(place), database_of(place), password="wrong")

    def discard(self, place: Path) -> None:
        server = mariadb_near(place)
        server.drop_database(server.database(database_of(place)))


def config_for(server: MariaServer, name: str, *, password: str | None = None) -> MySQLConfig:
    database = server.database(name)
    return MySQLConfig(
        host=database.host,
        port=database.port,
        database=database.name,
        username=database.user,
        password=password or database.password,
    )


def database_of(place: Path) -> str:
    return "place_" + hashlib.sha256(str(place).encode()).hexdigest()[:16]
