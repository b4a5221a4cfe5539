"""The warehouse behind the double of BigQuery: its SQL by sqlglot on DuckDB, scripts, load jobs."""

from __future__ import annotations

import datetime as dt
import json
import re
import unicodedata
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import sqlglot
from pyarrow import parquet as pq
from sqlglot import exp

_COLUMN_SIGNS = "&%=+:'<>#|"
"""Beside letters, marks, digits, dashes and spaces, in the flexible names of columns
(https://cloud.google.com/bigquery/docs/schemas#flexible-column-names)."""
_LETTERS = ("L", "M", "N", "Pc", "Pd", "Zs")
_RESERVED = ("_table_", "_file_", "_partition", "_row_timestamp", "__root__", "_colidentifier")
_OURS = {
    "FORMAT_TIME": "BQ_FORMAT_TIME",
    "TO_JSON": "BQ_TO_JSON",
    "TO_JSON_STRING": "BQ_TO_JSON_STRING",
    "PARSE_JSON": "BQ_PARSE",
}
_TOKEN = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|\b(?:TO_JSON_STRING|TO_JSON|PARSE_JSON|FORMAT_TIME)(?=\()""",
    re.DOTALL,
)
_PIECE = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|;|[^;'"`]+""", re.DOTALL
)
_PATH = r"`(?P<project>[^`]+)`\.`(?P<dataset>[^`]+)`\.`(?P<table>(?:[^`\\]|\\.)+)`"
_IF = re.compile(r"IF @@row_count != (\d+) THEN RAISE USING MESSAGE = '((?:[^'\\]|\\.)*)'\Z")
_COPY = re.compile(rf"CREATE OR REPLACE TABLE {_PATH} COPY {_PATH.replace('P<', 'P<from_')}\Z")
_OPTIONS = re.compile(rf"ALTER TABLE {_PATH} SET OPTIONS \(labels=\[(?P<labels>.*)\]\)\Z")
_LABEL = re.compile(r"\('([^']*)', '([^']*)'\)")
_SCHEMA = re.compile(
    r"CREATE SCHEMA IF NOT EXISTS `[^`]+`\.`(?P<dataset>[^`]+)`"
    r"( OPTIONS \(location='(?P<location>[^']+)'\))?\Z"
)
DUCK_TYPES = {
    "INT64": "BIGINT",
    "INTEGER": "BIGINT",
    "FLOAT64": "DOUBLE",
    "FLOAT": "DOUBLE",
    "BOOL": "BOOLEAN",
    "BOOLEAN": "BOOLEAN",
    "STRING": "VARCHAR",
    "BYTES": "BLOB",
    "NUMERIC": "DECIMAL(38,9)",
    "BIGNUMERIC": "DECIMAL(38,0)",
    "DATE": "DATE",
    "DATETIME": "TIMESTAMP",
    "TIMESTAMP": "TIMESTAMPTZ",
    "TIME": "TIME",
    "JSON": "JSON",
}
"""DuckDB's widest decimal has 38 digits, BIGNUMERIC 76: here it holds whole numbers only."""
_REST_TYPES = {
    "BIGINT": "INTEGER",
    "INTEGER": "INTEGER",
    "DOUBLE": "FLOAT",
    "BOOLEAN": "BOOLEAN",
    "VARCHAR": "STRING",
    "BLOB": "BYTES",
    "DATE": "DATE",
    "TIMESTAMP": "DATETIME",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
    "TIME": "TIME",
    "JSON": "JSON",
    "HUGEINT": "BIGNUMERIC",
}


class Refused(Exception):
    """What BigQuery would answer instead of a result: a reason, which gives the status, and why."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass
class Outcome:
    """What a statement came to."""

    kind: str = "SCRIPT"
    touched: int | None = None
    fields: list[dict[str, Any]] = field(default_factory=list)
    rows: list[tuple[Any, ...]] = field(default_factory=list)


@dataclass
class Options:
    """What a table has beside columns and rows."""

    labels: dict[str, str] = field(default_factory=dict)
    expires: str | None = None


class Warehouse:
    """One project's datasets; every statement is one transaction, a script is what it says."""

    def __init__(self, project: str) -> None:
        self.project = project
        self.locations: dict[str, str] = {}
        self.options: dict[tuple[str, str], Options] = {}
        self._duck = duckdb.connect(":memory:")
        self._duck.execute("SET TimeZone = 'UTC'")
        self._duck.create_function("bq_parse_text", _normalised, ["VARCHAR"], "VARCHAR")
        for macro in (
            "BQ_PARSE(x) AS CAST(bq_parse_text(x) AS JSON)",
            "BQ_FORMAT_TIME(f, x) AS strftime(DATE '2000-01-01' + x, '%H:%M:%S.%f')",
            "BQ_TO_JSON(x) AS to_json(x)",
            "BQ_TO_JSON_WIDE(x) AS to_json(CAST(x AS VARCHAR))",
            "BQ_TO_JSON_STRING(x) AS"
            " coalesce(CAST(to_json(CAST(x AS VARCHAR)) AS VARCHAR), 'null')",
        ):
            self._duck.execute(f"CREATE MACRO {macro}")

    def close(self) -> None:
        self._duck.close()

    def make_dataset(self, dataset: str, location: str) -> None:
        self._duck.execute(f"CREATE SCHEMA IF NOT EXISTS {_quoted(dataset)}")
        self.locations.setdefault(dataset, location)

    def drop_dataset(self, dataset: str) -> None:
        if self.locations.pop(dataset, None):
            self._duck.execute(f"DROP SCHEMA {_quoted(dataset)} CASCADE")

    def tables(self, dataset: str) -> list[str]:
        found = self._duck.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = ? ORDER BY 1", [dataset]
        )
        return [name for (name,) in found.fetchall()]

    def fields(self, dataset: str, table: str) -> list[dict[str, Any]] | None:
        if table not in self.tables(dataset):
            return None
        described = self._duck.execute(f"DESCRIBE {_quoted(dataset)}.{_quoted(table)}").fetchall()
        return [rest_field(name, kind) for name, kind, *_ in described]

    def make_table(self, dataset: str, table: str, fields: list[dict[str, Any]]) -> None:
        _check_columns([each["name"] for each in fields])
        columns = ", ".join(f"{_quoted(f['name'])} {DUCK_TYPES[f['type']]}" for f in fields)
        self._duck.execute(f"CREATE TABLE {_quoted(dataset)}.{_quoted(table)} ({columns})")

    def drop_table(self, dataset: str, table: str) -> None:
        self._duck.execute(f"DROP TABLE {_quoted(dataset)}.{_quoted(table)}")
        self.options.pop((dataset, table), None)

    def load(self, dataset: str, table: str, file: Any, *, is_truncating: bool) -> int:
        """Adds the rows of a Parquet file, all or none; types have to be the table's."""
        rows = pq.read_table(file)
        for column, name in zip(rows.columns, rows.column_names, strict=True):
            _check_range(name, column)
        target = f"{_quoted(dataset)}.{_quoted(table)}"
        wanted = {
            name: kind for name, kind, *_ in self._duck.execute(f"DESCRIBE {target}").fetchall()
        }
        self._duck.register("arriving", rows)
        try:
            found = self._duck.execute("DESCRIBE arriving").fetchall()
            for name, kind, *_ in found:
                if wanted.get(name) != kind:
                    message = f"Provided Schema does not match: field {name} is {kind}, not"
                    raise Refused("invalid", f"{message} {wanted.get(name)}")
            names = ", ".join(_quoted(name) for name in rows.column_names)
            if is_truncating:
                self._duck.execute(f"TRUNCATE {target}")
            self._duck.execute(f"INSERT INTO {target} ({names}) SELECT {names} FROM arriving")
        finally:
            self._duck.unregister("arriving")
        return int(rows.num_rows)

    def run(self, text: str, parameters: list[Any], dataset: str | None) -> Outcome:
        """Runs a query or a script; an error leaves nothing of an open transaction."""
        if dataset in self.locations:
            self._duck.execute(f"SET schema = '{dataset}'")
        left = list(parameters)
        last = Outcome()
        is_open = False
        try:
            statements = list(_statements(text))
            for statement in statements:
                found = _IF.match(statement)
                if found:
                    if last.touched != int(found[1]):
                        raise Refused("invalidQuery", f"{found[2]} at [1:1]")
                elif statement in ("BEGIN TRANSACTION", "COMMIT TRANSACTION"):
                    is_open = statement.startswith("BEGIN")
                    self._duck.execute(statement)
                elif statement != "END IF":
                    if is_open and statement.startswith(("CREATE", "ALTER", "DROP")):
                        raise Refused("invalidQuery", "DDL is not supported in a transaction")
                    last = self._one(statement, left)
        except duckdb.Error as error:
            if is_open:
                self._duck.execute("ROLLBACK")
            raise _as_refusal(error, self.project) from error
        except Refused:
            if is_open:
                self._duck.execute("ROLLBACK")
            raise
        finally:
            self._duck.execute("SET schema = 'main'")
        return last if len(statements) == 1 else Outcome()

    def kind_of(self, text: str) -> str:
        """Returns what a dry run tells of a statement: its type."""
        statements = list(_statements(text))
        try:
            trees = [sqlglot.parse_one(each, read="bigquery") for each in statements]
        except sqlglot.errors.SqlglotError as error:
            raise Refused("invalidQuery", f"Syntax error: {str(error)[:200]}") from error
        if len(trees) != 1:
            return "SCRIPT"
        return "SELECT" if isinstance(trees[0], exp.Query) else type(trees[0]).__name__.upper()

    def page(self, dataset: str, table: str) -> Outcome:
        found = self._duck.execute(f"SELECT * FROM {_quoted(dataset)}.{_quoted(table)}")
        return _outcome(found, "SELECT")

    def _one(self, statement: str, left: list[Any]) -> Outcome:
        found = _SCHEMA.match(statement)
        if found:
            self.make_dataset(found["dataset"], found["location"] or "US")
            return Outcome(kind="CREATE_SCHEMA")
        found = _COPY.match(statement)
        if found:
            return self._copy(found)
        found = _OPTIONS.match(statement)
        if found:
            labels = dict(_LABEL.findall(found["labels"]))
            self._options(found["dataset"], _unescaped(found["table"])).labels = labels
            return Outcome(kind="ALTER_TABLE")
        return self._translated(statement, left)

    def _copy(self, found: re.Match[str]) -> Outcome:
        source = (found["from_dataset"], _unescaped(found["from_table"]))
        target = (found["dataset"], _unescaped(found["table"]))
        self._duck.execute(
            f"CREATE OR REPLACE TABLE {_path(target)} AS SELECT * FROM {_path(source)}"
        )
        self.options[target] = Options(labels=dict(self._options(*source).labels))
        return Outcome(kind="CREATE_TABLE")

    def _options(self, dataset: str, table: str) -> Options:
        return self.options.setdefault((dataset, table), Options())

    def _translated(self, statement: str, left: list[Any]) -> Outcome:
        text = _TOKEN.sub(lambda found: _OURS.get(found[0], found[0]), statement)
        try:
            tree = sqlglot.parse_one(text, read="bigquery")
        except sqlglot.errors.SqlglotError as error:
            raise Refused("invalidQuery", f"Syntax error: {str(error)[:200]}") from error
        tree = tree.transform(_without_kwargs).transform(_with_digits)
        if isinstance(tree, exp.Create | exp.Alter):
            _check_columns([each.this.name for each in tree.find_all(exp.ColumnDef)])
            _check_table(next(each.name for each in tree.find_all(exp.Table)))
        for table in tree.find_all(exp.Table):
            if table.catalog and table.catalog != self.project:
                raise Refused("notFound", f"Not found: Project {table.catalog}")
            if table.db and table.db not in self.locations:
                raise Refused("notFound", f"Not found: Dataset {self.project}:{table.db}")
            table.set("catalog", None)
        marks = len(list(tree.find_all(exp.Placeholder)))
        used, left[:] = left[:marks], left[marks:]
        sql = tree.sql(dialect="duckdb", unsupported_level=sqlglot.ErrorLevel.IGNORE)
        found = self._duck.execute(sql, used)
        if isinstance(tree, exp.Create) and tree.kind == "TABLE":
            place = tree.find(exp.Table)
            if place is not None and tree.args.get("replace"):
                self.options[place.db, place.name] = Options()
        kind = type(tree).__name__.upper()
        if isinstance(tree, exp.Insert | exp.Update | exp.Delete | exp.Merge):
            return Outcome(kind=kind, touched=int(found.fetchall()[0][0]))
        if isinstance(tree, exp.Query):
            return _outcome(found, "SELECT")
        return Outcome(kind=kind)


def rest_field(name: str, kind: str) -> dict[str, Any]:
    """Returns a column as the API describes it."""
    found = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind)
    if kind == "DECIMAL(38,9)":
        return {"name": name, "type": "NUMERIC", "mode": "NULLABLE"}
    if found:
        wide = "BIGNUMERIC" if int(found[1]) - int(found[2]) > 29 else "NUMERIC"
        given = {"precision": found[1], "scale": found[2]}
        return {"name": name, "type": wide, "mode": "NULLABLE", **given}
    return {"name": name, "type": _REST_TYPES[kind], "mode": "NULLABLE"}


def rest_value(value: Any) -> str | None:
    """Returns a value as the API writes it; instants as whole microseconds."""
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case dt.datetime() if value.tzinfo is not None:
            since = value - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
            return str(since // dt.timedelta(microseconds=1))
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
        case _:
            return str(value)


def python_value(kind: str, text: str | None) -> Any:
    """Returns a query parameter's value."""
    if text is None:
        return None
    match kind:
        case "INT64":
            return int(text)
        case "FLOAT64":
            return float(text)
        case "BOOL":
            return text.lower() == "true"
        case "NUMERIC" | "BIGNUMERIC":
            return Decimal(text)
        case "TIMESTAMP":
            return dt.datetime.fromisoformat(text)
        case "DATE":
            return dt.date.fromisoformat(text)
        case _:
            return text


def _outcome(found: Any, kind: str) -> Outcome:
    fields = [rest_field(name, str(type_)) for name, type_, *_ in found.description]
    return Outcome(kind=kind, fields=fields, rows=found.fetchall())


def _statements(text: str) -> list[str]:
    """Returns the statements of a script; IF … END IF comes as two."""
    pieces, current = [], ""
    for piece in _PIECE.findall(text):
        if piece == ";":
            pieces.append(current.strip())
            current = ""
        else:
            current += piece
    return [piece for piece in [*pieces, current.strip()] if piece]


def _without_kwargs(node: exp.Expression) -> exp.Expression:
    if isinstance(node, exp.Anonymous) and node.name.startswith("BQ_"):
        plain = [
            each for each in node.expressions if not isinstance(each, exp.Kwarg | exp.PropertyEQ)
        ]
        is_wide = node.name == "BQ_TO_JSON" and len(plain) < len(node.expressions)
        return exp.Anonymous(this="BQ_TO_JSON_WIDE" if is_wide else node.name, expressions=plain)
    return node


def _with_digits(node: exp.Expression) -> exp.Expression:
    """Gives NUMERIC and BIGNUMERIC their digits, as far as DuckDB has them."""
    if isinstance(node, exp.DataType) and not node.expressions:
        if node.this is exp.DataType.Type.DECIMAL:
            return exp.DataType.build("NUMERIC(38, 9)", dialect="bigquery")
        if node.this is exp.DataType.Type.BIGDECIMAL:
            return exp.DataType.build("NUMERIC(38, 0)", dialect="bigquery")
    return node


def _normalised(text: str | None) -> str | None:
    """JSON as BigQuery keeps it: numbers of 64 bits or a double, no white space."""
    if text is None:
        return None
    parsed = json.loads(text, parse_int=_whole)
    return json.dumps(parsed, ensure_ascii=False, separators=(",", ":"))


def _whole(literal: str) -> int | float:
    number = int(literal)
    return number if -(2**63) <= number < 2**64 else float(literal)


def _check_columns(names: list[str]) -> None:
    if len(names) > 10_000:
        raise Refused("invalid", "Too many columns: 10000 is the maximum number of columns")
    for name in names:
        is_reserved = name.lower().startswith(_RESERVED) or name != name.strip()
        if is_reserved or not _is_name(name, 300, _COLUMN_SIGNS):
            raise Refused("invalid", f"Invalid field name {name!r}")


def _check_table(name: str) -> None:
    if not _is_name(name, 1024, ""):
        raise Refused("invalid", f"Invalid table ID {name!r}")


def _is_name(name: str, longest: int, signs: str) -> bool:
    plain = all(unicodedata.category(c).startswith(_LETTERS) or c in signs for c in name)
    return plain and 0 < len(name) <= longest


def _check_range(name: str, column: pa.ChunkedArray) -> None:
    if pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
        plain = pa.int32() if pa.types.is_date(column.type) else pa.int64()
        day = 1 if pa.types.is_date(column.type) else 86_400_000_000
        for value in column.combine_chunks().view(plain).drop_null().to_pylist():
            if not -719_162 * day <= value < 2_932_897 * day:
                raise Refused("invalid", f"Invalid value in field {name}: {value}")


def _as_refusal(error: duckdb.Error, project: str) -> Refused:
    message = str(error).split("\n", 1)[0]
    if isinstance(error, duckdb.CatalogException) and "does not exist" in message:
        return Refused("notFound", f"Not found: Table {project}: {message}")
    if isinstance(error, duckdb.CatalogException) and "already exists" in message:
        return Refused("duplicate", f"Already Exists: {message}")
    return Refused("invalidQuery", message)


def _unescaped(name: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), name)


def _path(place: tuple[str, str]) -> str:
    return f"{_quoted(place[0])}.{_quoted(place[1])}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
