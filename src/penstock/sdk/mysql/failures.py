"""MySQL's and MariaDB's errors as penstock's, each with what to do about it, by number.

Source: MySQL 8.4 "Server Error Message Reference"; MariaDB "MariaDB Error Codes".
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pymysql

from penstock.errors import (
    AccessDenied,
    BugError,
    ConfigError,
    ConnectionFailed,
    DataError,
    PenstockError,
    ResourceBusy,
    ResourceExhausted,
)
from penstock.sdk.mysql.address import Address

_AGAIN: Final = "Run the sync again: it continues after the last commit."


@contextmanager
def translated(address: Address) -> Iterator[None]:
    """Raises PyMySQL's errors as penstock's."""
    try:
        yield
    except pymysql.Error as error:
        raise as_penstock_error(error, address) from error
    except ssl.SSLError as error:
        raise _of_tls(error, address) from error
    except OSError as error:
        raise ConnectionFailed(f"{address}: {error}.", remedy=_AGAIN) from error


def number_of(error: BaseException) -> int:
    """Returns the number of an error of the server or driver; 0 when it has none."""
    number = error.args[0] if error.args else 0
    return number if isinstance(number, int) else 0


def as_penstock_error(error: pymysql.Error, address: Address) -> PenstockError:
    """Returns the penstock error that says what to do about an error of the server or driver."""
    number = number_of(error)
    said = str(error.args[-1]).strip().rstrip(".") if error.args else type(error).__name__
    if number in _WITH_VALUES:
        said = _VALUE.sub("'…'", said, count=1)
    original = getattr(error, "original_exception", None)
    if isinstance(original, ssl.SSLError):
        return _of_tls(original, address)
    if number == _UNREACHABLE and "Name or service not known" in said:
        return ConfigError(
            f"{address}: there is no such host.", remedy="Correct `host`.", field="host"
        )
    for numbers, kind, remedy in _BY_NUMBER:
        if number in numbers:
            return kind(f"{address}: {said} ({number}).", remedy=remedy.format(address=address))
    if isinstance(error, pymysql.DataError):
        return DataError(f"{address}: {said} ({number}).", remedy=_REPORT)
    return BugError(f"{address}: {said} ({number}).", remedy="Report it with the sync's log.")


def _of_tls(error: ssl.SSLError, address: Address) -> PenstockError:
    return ConfigError(
        f"{address}: the protected connection failed: {error.reason or error}.",
        remedy="Correct `ssl_mode` and its certificates, or set up TLS on the server.",
        field="ssl_mode",
    )


_UNREACHABLE: Final = 2003
_WITH_VALUES: Final = frozenset({1062, 1264, 1292, 1366, 1406, 3819})
_VALUE: Final = re.compile(r"'.*?'")
"""The server quotes the value of the row, which must not reach a log."""
_REPORT: Final = "Report it with the stream and the type of its columns."

_BY_NUMBER: Final[tuple[tuple[frozenset[int], type[PenstockError], str], ...]] = (
    (
        frozenset({1045, 1698, 1862, 3118, 4151}),
        AccessDenied,
        "Correct `username` and `password`, and from which hosts the user may come.",
    ),
    (
        frozenset({1044, 1142, 1143, 1227, 1370, 3879}),
        AccessDenied,
        "Grant the user what the message names (GRANT … ON … TO …).",
    ),
    (frozenset({1130}), AccessDenied, "Let this machine in: CREATE USER …@'host'."),
    (frozenset({1290, 1792, 1836}), AccessDenied, "Give the address of a server one may write to."),
    (frozenset({3159, 2026}), ConfigError, "Correct `ssl_mode`: TLS is needed on one side only."),
    (frozenset({1049}), ConfigError, "Correct the database's name, or create it."),
    (frozenset({1050}), ConfigError, "Rename or drop the object in the way, or choose another."),
    (frozenset({1146, 1051}), ConfigError, "Correct the table's name, or sync the stream first."),
    (
        frozenset({1117, 1118, 1113, 1074, 1069}),
        ConfigError,
        "Leave columns out, or split the stream: a row of InnoDB holds 1,017 columns and about"
        " 8,000 bytes beside what lies outside of it.",
    ),
    (
        frozenset({1062, 1048, 1364, 1451, 1452, 3819, 4025}),
        ConfigError,
        "Drop the constraint from the table, or write to another table.",
    ),
    (
        frozenset({1347, 1348, 1393, 1471, 1031}),
        ConfigError,
        "Rename or drop the object in the way: it is not a table that can be written.",
    ),
    (frozenset({1021, 1114, 1030, 1026, 3, 28}), ResourceExhausted, "Free disk; " + _AGAIN),
    (frozenset({1037, 1038, 1041}), ResourceExhausted, "Give the server memory; " + _AGAIN),
    (
        frozenset({1153}),
        ResourceExhausted,
        "Raise max_allowed_packet on the server: a row is larger than it. " + _AGAIN,
    ),
    (frozenset({1040, 1203, 1226}), ResourceBusy, "Close other connections, then run it again."),
    (frozenset({1205, 1206, 1213, 1242}), ResourceBusy, "Somebody holds the table; " + _AGAIN),
    (frozenset({1317, 1969, 3024}), ConnectionFailed, "The statement was stopped. " + _AGAIN),
    (
        frozenset({0, 1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1927}),
        ConnectionFailed,
        _AGAIN,
    ),
    (
        frozenset({_UNREACHABLE, 2002, 2006, 2012, 2013, 2055}),
        ConnectionFailed,
        "Check `host`, `port` and the network in between; " + _AGAIN,
    ),
    (frozenset({1064, 1054, 1052, 1060, 1305, 1235, 1111}), ConfigError, "Correct the SQL."),
    (frozenset({1264, 1292, 1366, 1406, 1411, 1690}), DataError, _REPORT),
    (frozenset({1236, 1373}), ConfigError, "Run the sync once with --full-refresh."),
)
