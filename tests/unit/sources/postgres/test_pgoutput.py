"""What the messages of pgoutput mean."""

from __future__ import annotations

import struct

import pytest

from penstock.errors import ProtocolError
from penstock.sources.postgres.pgoutput import UNSENT, Change, Commit, Described, decoded
from penstock.sources.postgres.replication import lsn_of, text_of_lsn


def test_null_empty_and_unsent_values_are_told_apart() -> None:
    row = b"N" + struct.pack(">H", 3) + b"n" + b"t" + struct.pack(">i", 0) + b"u"
    assert decoded(b"I" + struct.pack(">I", 7) + row) == Change(
        7, "I", None, False, [None, b"", UNSENT]
    )


def test_an_update_of_the_key_has_the_old_one() -> None:
    one = struct.pack(">H", 1) + b"t" + struct.pack(">i", 1)
    message = b"U" + struct.pack(">I", 7) + b"K" + one + b"1" + b"N" + one + b"2"
    assert decoded(message) == Change(7, "U", [b"1"], False, [b"2"])


def test_a_commit_says_where_the_next_reading_begins() -> None:
    message = b"C\0" + struct.pack(">QQq", 10, 20, 0)
    assert decoded(message) == Commit(10, 20)


def test_a_table_is_described_by_its_names_whatever_they_hold() -> None:
    column = b"\1" + "पु%".encode() + b"\0" + struct.pack(">Ii", 23, -1)
    message = b"R" + struct.pack(">I", 7) + b"s\0t\0d" + struct.pack(">H", 1) + column
    assert decoded(message) == Described(7, "s", "t", ("पु%",))


def test_an_unknown_message_is_no_silence() -> None:
    with pytest.raises(ProtocolError, match="unknown kind"):
        decoded(b"?")


def test_places_in_the_log_survive_their_text() -> None:
    assert lsn_of("16/B374D848") == 0x16_B374_D848
    assert text_of_lsn(lsn_of("16/B374D848")) == "16/B374D848"
