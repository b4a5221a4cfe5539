"""The MySQL source, on a MariaDB server, keeps every promise of a source."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, ClassVar

import pytest

from penstock.sources.mysql import MySQLSource, MySQLSourceConfig
from penstock.testing.source_suite import SourceSuite
from tests.servers.mariadb import MariaDatabase, MariaServer, mariadb_near

_VISITS = """
CREATE TABLE visits (
    id bigint PRIMARY KEY, code varchar(20) CHARACTER SET utf8mb4, amount decimal(12,2),
    wide decimal(60,20), share double, little float, is_new tinyint(1), day date,
    at timestamp(6) NULL, local datetime(6), hour time(6), year year, huge bigint unsigned,
    colour enum('red','green'), tags set('a','b','c'), extra json, raw varbinary(20), bits bit(12),
    place point)
"""
_ROWS = """
INSERT INTO visits SELECT seq, lpad(seq, 5, '0'), seq / 100, seq / 7, seq / 4, seq / 3, seq % 2,
    '2024-02-01' + INTERVAL seq % 28 DAY, '2024-02-29 12:00' + INTERVAL seq SECOND,
    '2024-02-29 12:00' + INTERVAL seq MICROSECOND, sec_to_time(seq + 0.25), 2000 + seq % 50,
    18446744073709551615 - seq, 1 + seq % 2, seq % 8, json_object('i', seq, 'name', 'पुणे'),
    unhex(md5(seq)), seq, point(seq, 1) FROM seq_1_to_{rows}
"""
_NOTES = "CREATE TABLE notes (n int, note text)"
_NOTE_ROWS = "INSERT INTO notes SELECT seq, repeat('x', seq) FROM seq_1_to_{rows}"


@pytest.mark.usefixtures("mariadb_server")
class TestMySQLSource(SourceSuite):
    source = MySQLSource
    wrong_configs: ClassVar[dict[str, dict[str, Any]]] = {
        name: {"host": "127.0.0.1", "username": "x", name: value}
        for name, value in {"port": 0, "ssl_mode": {"mode": "maybe"}, "databases": "all"}.items()
    }

    def prepared(self, place: Path, rows: int) -> MySQLSourceConfig:
        server = mariadb_near(place)
        name = "source_" + hashlib.sha256(str(place).encode()).hexdigest()[:16]
        database = server.create_database(name)
        made = [_VISITS, _NOTES]
        made += [text.format(rows=rows) for text in (_ROWS, _NOTE_ROWS) if rows]
        database.run(*made)
        return config_for(server, database, databases=(name,))

    def config(self, place: Path) -> MySQLSourceConfig:
        return self.prepared(place, 300)

    def empty_config(self, place: Path) -> MySQLSourceConfig:
        return self.prepared(place, 0)


def config_for(server: MariaServer, database: MariaDatabase, **others: Any) -> MySQLSourceConfig:
    return MySQLSourceConfig(
        host=database.host,
        port=server.port,
        username=database.user,
        password=database.password,
        **others,
    )
