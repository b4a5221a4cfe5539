"""DuckDB alone hands out a table, so often, as an Arrow table or a pandas frame."""

from __future__ import annotations

import sys

import duckdb

database, form, times = sys.argv[1:]
with duckdb.connect(database) as connection:
    for _ in range(int(times)):
        users = connection.sql("select * from users")
        found = users.to_arrow_table() if form == "arrow" else users.df()
        print(len(found))
