"""Sets of transactions grow by what was read, and are sent as the servers know them."""

from __future__ import annotations

import struct

from penstock.sources.mysql.gtids import MariaGtids, MySQLGtids

_UUID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
_DIGITS = _UUID.replace("-", "")


def test_mariadb_keeps_the_last_transaction_of_each_domain() -> None:
    known = MariaGtids.parsed("0-1-5,7-2-9")
    known.add("0", "0-3-6")
    assert str(known) == "0-3-6,7-2-9"


def test_neighbouring_intervals_of_mysql_become_one() -> None:
    known = MySQLGtids.parsed(f"{_UUID}:1-5:7")
    known.add(_DIGITS, "6")
    assert str(known) == f"{_UUID}:1-7"


def test_a_gap_of_mysql_stays_a_gap() -> None:
    known = MySQLGtids.parsed(f"{_UUID}:1-5,\n4350f323-7565-4e59-8763-4b1b83a0ce0e:1")
    known.add(_DIGITS, "9")
    assert str(known) == f"{_UUID}:1-5:9,4350f323-7565-4e59-8763-4b1b83a0ce0e:1"


def test_a_set_is_sent_with_ends_that_are_not_included() -> None:
    known = MySQLGtids.parsed(f"{_UUID}:1-5:9")
    expected = struct.pack("<Q", 1) + bytes.fromhex(_DIGITS) + struct.pack("<QQQQQ", 2, 1, 6, 9, 10)
    assert known.encoded() == expected


def test_no_transactions_are_an_empty_text() -> None:
    assert (str(MariaGtids.parsed("")), str(MariaGtids())) == ("", "")
