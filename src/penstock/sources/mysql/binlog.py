"""The binary log as it is sent to a replica: events as values, in their order.

Source: MySQL Internals "Binlog Event" and "COM_BINLOG_DUMP"; MariaDB "Replication Protocol".
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pymysql.constants import COMMAND

from penstock.errors import ConfigError, ProofFailed
from penstock.sdk.mysql.connection import Connection
from penstock.sources.mysql.logged_values import (
    BINARY_COLLATION,
    BIT,
    BLOBS,
    DATETIME2,
    DECIMAL,
    DOUBLE,
    ENUM,
    FLOAT,
    GEOMETRY,
    JSON,
    NUMERIC,
    SET,
    STRING,
    TEXTUAL,
    TIME2,
    TIMESTAMP2,
    UNSENT,
    VAR_STRING,
    VARCHAR,
    YEAR,
    LoggedType,
    Passer,
    Reader,
    Value,
    encoding_of,
    passer_of,
    reader_of,
)

_FORMAT: Final = 15
_CHECKSUM_BYTES: Final = 4
_WRITES: Final = frozenset({23, 30})
_UPDATES: Final = frozenset({24, 31})
_DELETES: Final = frozenset({25, 32})
_SECOND_VERSION: Final = frozenset({30, 31, 32})
_UNREADABLE: Final = {
    39: "partial updates of JSON (binlog_row_value_options)",
    40: "compressed transactions (binlog_transaction_compression)",
    165: "compressed events (log_bin_compress)",
    166: "compressed events (log_bin_compress)",
    167: "compressed events (log_bin_compress)",
    168: "compressed events (log_bin_compress)",
    169: "compressed events (log_bin_compress)",
    170: "compressed events (log_bin_compress)",
    171: "compressed events (log_bin_compress)",
}
_META_BYTES: Final = {
    FLOAT: 1,
    DOUBLE: 1,
    JSON: 1,
    GEOMETRY: 1,
    TIMESTAMP2: 1,
    DATETIME2: 1,
    TIME2: 1,
    VARCHAR: 2,
    VAR_STRING: 2,
    BIT: 2,
    DECIMAL: 2,
    STRING: 2,
    ENUM: 2,
    SET: 2,
    140: 1,
    141: 2,
    **dict.fromkeys(BLOBS, 1),
}
_BIG_ENDIAN_META: Final = frozenset({DECIMAL, STRING, ENUM, SET, VAR_STRING, BIT})
_WITHOUT_WAITING: Final = 0x01
_BY_TRANSACTION: Final = 0x04
_HEADER: Final = struct.Struct("<IBIIIH")


@dataclass(frozen=True, slots=True)
class Begin:
    """A transaction begins; `gtid` is its name, `group` the part of it that counts on."""

    group: str
    gtid: str


@dataclass(frozen=True, slots=True)
class Described:
    """A table as the changes to come have it."""

    number: int
    schema: str
    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """Rows of one table: before and after, one of them None for inserts and deletions.

    What a row was before an update that leaves its key alone is not read: it is None, too.
    """

    table: int
    rows: Sequence[tuple[list[Value] | None, list[Value] | None]]
    seconds: int


@dataclass(frozen=True, slots=True)
class Commit:
    """A transaction ends at this offset of the file being read."""

    position: int


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that is logged as it was written: it begins, ends, or changes a schema."""

    schema: str
    text: str
    position: int


@dataclass(frozen=True, slots=True)
class Rotated:
    """The log goes on in another file."""

    file: str
    position: int


Event = Begin | Described | Change | Commit | Statement | Rotated


def dump_by_file(connection: Connection, server_id: int, file: str, position: int) -> None:
    """Asks for the log from an offset of a file up to its present end."""
    content = struct.pack("<IHI", position, _WITHOUT_WAITING, server_id) + file.encode()
    _dump(connection, COMMAND.COM_BINLOG_DUMP, content)


def dump_by_mariadb_gtid(connection: Connection, server_id: int) -> None:
    """Asks for the log after the transactions that `@slave_connect_state` names."""
    _dump(
        connection,
        COMMAND.COM_BINLOG_DUMP,
        struct.pack("<IHI", 4, _WITHOUT_WAITING, server_id),
    )


def dump_by_mysql_gtid(connection: Connection, server_id: int, known: bytes) -> None:
    """Asks for every transaction of the log that is not in an encoded set."""
    flags = _WITHOUT_WAITING | _BY_TRANSACTION
    content = struct.pack("<HIIQI", flags, server_id, 0, 4, len(known)) + known
    _dump(connection, COMMAND.COM_BINLOG_DUMP_GTID, content)


def _dump(connection: Connection, command: int, content: bytes) -> None:
    private: Any = connection
    private._execute_command(command, content)  # noqa: SLF001 (as `connection.begin_select`)


def events(
    connection: Connection,
    collations: Mapping[int, str],
    wanted: Mapping[tuple[str, str], Sequence[str]],
    *,
    has_checksums: bool,
    is_maria: bool,
) -> Iterator[Event]:
    """Yields the events of a dump until the log's present end; rows of wanted tables only.

    `wanted` names the columns of each table's key, by schema and name.
    `has_checksums` holds until a file of the log begins, which says it of itself.
    """
    private: Any = connection
    log = _Log(collations, wanted, has_checksums, is_maria)
    while True:
        packet = private._read_packet()  # noqa: SLF001 (the same)
        payload: bytes = packet.get_all_data()
        if payload[:1] == b"\xfe":
            return
        event = log.event(payload[1:])
        if event is not None:
            yield event


@dataclass(slots=True)
class _Table:
    readers: tuple[Reader, ...]
    passers: tuple[Passer, ...]
    keys: frozenset[int]


@dataclass(slots=True)
class _Log:
    """What earlier events of the log say about later ones."""

    collations: Mapping[int, str]
    wanted: Mapping[tuple[str, str], Sequence[str]]
    has_checksums: bool
    is_maria: bool
    tables: dict[int, _Table] = field(default_factory=dict)

    def event(self, content: bytes) -> Event | None:  # noqa: PLR0911 (a return a type)
        seconds, code, server, size, position, _ = _HEADER.unpack_from(content)
        if self.has_checksums and code != _FORMAT:
            size -= _CHECKSUM_BYTES
            if zlib.crc32(content[:size]) != int.from_bytes(content[size:], "little"):
                raise ProofFailed(
                    "An event of the binary log is not what its checksum says: it was damaged.",
                    remedy="Run the sync again; if it repeats, look into the server's disk.",
                )
        body = content[_HEADER.size : size]
        if code in _WRITES or code in _UPDATES or code in _DELETES:
            return self._change(code, body, seconds)
        match code:
            case 19:
                return self._described(body)
            case 16:
                return Commit(position)
            case 2:
                return _statement(body, position)
            case 15:
                # The kind of checksum stands before this event's own checksum.
                self.has_checksums = body[-1 - _CHECKSUM_BYTES] == 1
                return None
            case 4:
                at, name = struct.unpack_from("<Q", body)[0], body[8:].decode()
                self.tables.clear()
                return Rotated(name, at)
            case 162:
                number, domain = struct.unpack_from("<QI", body)
                return Begin(str(domain), f"{domain}-{server}-{number}")
            case 33:
                number = struct.unpack_from("<q", body, 17)[0]
                return Begin(body[1:17].hex(), str(number))
            case _ if code in _UNREADABLE:
                raise ConfigError(
                    f"The binary log holds {_UNREADABLE[code]}, which cannot be read.",
                    remedy="Turn it off on the server, and run the sync once with --full-refresh.",
                )
            case _:
                return None

    def _described(self, body: bytes) -> Described | None:
        number = int.from_bytes(body[:6], "little")
        at = 8
        size = body[at]
        schema = body[at + 1 : at + 1 + size].decode()
        at += size + 2
        size = body[at]
        name = body[at + 1 : at + 1 + size].decode()
        at += size + 2
        if (schema, name) not in self.wanted:
            self.tables.pop(number, None)
            return None
        count, at = _length(body, at)
        codes = list(body[at : at + count])
        at += count
        size, at = _length(body, at)
        metas = _metas(codes, body[at : at + size])
        at += size + (count + 7) // 8
        names, types = self._optional(body[at:], codes, metas, f"{schema}.{name}")
        where = [f"{schema}.{name}.{column}" for column in names]
        readers = [reader_of(each, place) for each, place in zip(types, where, strict=True)]
        key = self.wanted[schema, name]
        self.tables[number] = _Table(
            tuple(readers),
            tuple(passer_of(each, read) for each, read in zip(types, readers, strict=True)),
            frozenset(place for place, column in enumerate(names) if column in key),
        )
        return Described(number, schema, name, tuple(names))

    def _optional(
        self, content: bytes, codes: Sequence[int], metas: Sequence[int], table: str
    ) -> tuple[list[str], list[LoggedType]]:
        """Reads what binlog_row_metadata = FULL adds: names, signs, character sets, members."""
        parts: dict[int, bytes] = {}
        at = 0
        while at < len(content):
            kind = content[at]
            size, at = _length(content, at + 1)
            parts[kind] = content[at : at + size]
            at += size
        if 4 not in parts:
            raise ConfigError(
                f"The binary log of {table} was written without the names of columns.",
                remedy="SET GLOBAL binlog_row_metadata = 'FULL'; keep it in the server's"
                " configuration, and run the sync once with --full-refresh.",
            )
        names = [text.decode() for text in _texts(parts[4])]
        # MariaDB tells a sign of YEAR and a character set of geometry, too.
        signed = NUMERIC | {YEAR} if self.is_maria else NUMERIC
        lettered = TEXTUAL | {GEOMETRY} if self.is_maria else TEXTUAL
        numeric = [place for place, code in enumerate(codes) if code in signed]
        signs = parts.get(1, b"")
        unsigned = {
            place
            for bit, place in enumerate(numeric)
            if signs[bit // 8 :][:1] and signs[bit // 8] >> (7 - bit % 8) & 1
        }
        textual = [place for place, code in enumerate(codes) if code in lettered]
        listed = [place for place, code in enumerate(codes) if code in (ENUM, SET)]
        collation = dict(zip(textual, _collations(parts, 2, 3, len(textual)), strict=True))
        collation |= dict(zip(listed, _collations(parts, 10, 11, len(listed)), strict=True))
        members = _members(parts, codes)
        types = []
        for place, code in enumerate(codes):
            encoding = None
            if place in collation:
                character_set = self.collations.get(collation[place], str(collation[place]))
                encoding = encoding_of(character_set, f"{table}.{names[place]}")
            types.append(
                LoggedType(
                    code=code,
                    meta=metas[place],
                    is_unsigned=place in unsigned,
                    encoding=encoding,
                    members=tuple(m.decode(encoding or "utf-8") for m in members.get(place, ())),
                )
            )
        return names, types

    def _change(self, code: int, body: bytes, seconds: int) -> Change | None:
        number = int.from_bytes(body[:6], "little")
        table = self.tables.get(number)
        if table is None:
            return None
        at = 8
        if code in _SECOND_VERSION:
            at += int.from_bytes(body[at : at + 2], "little")
        count, at = _length(body, at)
        size = (count + 7) // 8
        images = [int.from_bytes(body[at : at + size], "little")]
        at += size
        if code in _UPDATES:
            images.append(int.from_bytes(body[at : at + size], "little"))
            at += size
        rows: list[tuple[list[Value] | None, list[Value] | None]] = []
        while at < len(body):
            if code in _UPDATES:
                begin = at
                old_key, at = _passed(table, body, begin, count, images[0])
                new_key, _ = _passed(table, body, at, count, images[1])
                old = None if old_key == new_key else _row(table, body, begin, count, images[0])[0]
                new, at = _row(table, body, at, count, images[1])
                rows.append((old, new))
                continue
            row, at = _row(table, body, at, count, images[0])
            rows.append((None, row) if code in _WRITES else (row, None))
        return Change(number, rows, seconds)


def _passed(
    table: _Table, body: bytes, at: int, count: int, present: int
) -> tuple[dict[int, bytes | None], int]:
    """Returns a row's key as it is written, by column, and where the row ends."""
    size = (present.bit_count() + 7) // 8
    nulls = int.from_bytes(body[at : at + size], "little")
    at += size
    key: dict[int, bytes | None] = {}
    place = 0
    for column in range(count):
        if not present >> column & 1:
            continue
        begin = at
        is_null = nulls >> place & 1
        if not is_null:
            at = table.passers[column](body, at)
        if column in table.keys:
            key[column] = None if is_null else body[begin:at]
        place += 1
    return key, at


def _row(table: _Table, body: bytes, at: int, count: int, present: int) -> tuple[list[Value], int]:
    size = (present.bit_count() + 7) // 8
    nulls = int.from_bytes(body[at : at + size], "little")
    at += size
    values: list[Value] = []
    place = 0
    for column in range(count):
        if not present >> column & 1:
            values.append(UNSENT)
            continue
        if nulls >> place & 1:
            values.append(None)
        else:
            value, at = table.readers[column](body, at)
            values.append(value)
        place += 1
    return values, at


def _statement(body: bytes, position: int) -> Statement:
    size, status = body[8], int.from_bytes(body[11:13], "little")
    at = 13 + status
    schema = body[at : at + size].decode("utf-8", "replace")
    return Statement(schema, body[at + size + 1 :].decode("utf-8", "replace"), position)


def _length(content: bytes, at: int) -> tuple[int, int]:
    """Reads a length-encoded integer."""
    first = content[at]
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(first, 0)
    if not size:
        return first, at + 1
    return int.from_bytes(content[at + 1 : at + 1 + size], "little"), at + 1 + size


def _metas(codes: list[int], content: bytes) -> list[int]:
    """Returns each column's metadata, and puts the real type of CHAR, ENUM and SET in its place."""
    metas, at = [], 0
    for place, code in enumerate(codes):
        size = _META_BYTES.get(code, 0)
        order = "big" if code in _BIG_ENDIAN_META and code != BIT else "little"
        meta = int.from_bytes(content[at : at + size], "big" if order == "big" else "little")
        at += size
        if code == STRING:
            real, length = meta >> 8, meta & 0xFF
            if real & 0x30 != 0x30:
                length |= ((real & 0x30) ^ 0x30) << 4
                real |= 0x30
            codes[place], meta = real, length
        metas.append(meta)
    return metas


def _collations(parts: Mapping[int, bytes], usual: int, each: int, count: int) -> list[int]:
    if each in parts:
        return _numbers(parts[each])
    numbers = _numbers(parts.get(usual, b""))
    if not numbers:
        return [BINARY_COLLATION] * count
    found = [numbers[0]] * count
    for place, collation in zip(numbers[1::2], numbers[2::2], strict=True):
        found[place] = collation
    return found


def _members(parts: Mapping[int, bytes], codes: Sequence[int]) -> dict[int, list[bytes]]:
    found: dict[int, list[bytes]] = {}
    for code, kind in ((SET, 5), (ENUM, 6)):
        content, at = parts.get(kind, b""), 0
        for place in (place for place, each in enumerate(codes) if each == code):
            count, at = _length(content, at)
            found[place] = []
            for _ in range(count):
                size, at = _length(content, at)
                found[place].append(content[at : at + size])
                at += size
    return found


def _numbers(content: bytes) -> list[int]:
    found, at = [], 0
    while at < len(content):
        number, at = _length(content, at)
        found.append(number)
    return found


def _texts(content: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(content):
        size, at = _length(content, at)
        found.append(content[at : at + size])
        at += size
    return found
