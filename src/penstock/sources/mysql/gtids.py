"""Names of transactions (GTIDs): what has been read, as each of the two servers counts it.

MariaDB knows the last one of each domain, `0-1-42`; MySQL sets of intervals for each server,
`uuid:1-5:7` (MySQL "GTID Format and Storage").
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field


@dataclass(slots=True)
class MariaGtids:
    """The last transaction of each domain."""

    last: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parsed(cls, text: str) -> MariaGtids:
        return cls({gtid.partition("-")[0]: gtid for gtid in text.split(",") if gtid})

    def add(self, group: str, gtid: str) -> None:
        self.last[group] = gtid

    def __str__(self) -> str:
        return ",".join(self.last[group] for group in sorted(self.last, key=int))


@dataclass(slots=True)
class MySQLGtids:
    """Intervals of numbers, both ends included, for each server's UUID as 32 digits."""

    intervals: dict[str, list[list[int]]] = field(default_factory=dict)

    @classmethod
    def parsed(cls, text: str) -> MySQLGtids:
        made = cls()
        for part in "".join(text.split()).split(","):
            uuid, *ranges = part.split(":")
            for each in ranges:
                first, _, last = each.partition("-")
                made._insert(uuid.replace("-", ""), int(first), int(last or first))
        return made

    def add(self, group: str, gtid: str) -> None:
        self._insert(group, int(gtid), int(gtid))

    def __str__(self) -> str:
        parts = []
        for digits, ranges in sorted(self.intervals.items()):
            uuid = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
            spans = ":".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)
            parts.append(f"{uuid}:{spans}")
        return ",".join(parts)

    def encoded(self) -> bytes:
        """Returns the set as COM_BINLOG_DUMP_GTID sends it; ends there are not included."""
        content = struct.pack("<Q", len(self.intervals))
        for digits, ranges in sorted(self.intervals.items()):
            content += bytes.fromhex(digits) + struct.pack("<Q", len(ranges))
            for first, last in ranges:
                content += struct.pack("<QQ", first, last + 1)
        return content

    def _insert(self, uuid: str, first: int, last: int) -> None:
        merged: list[list[int]] = []
        for low, high in sorted([*self.intervals.get(uuid, []), [first, last]]):
            if merged and low <= merged[-1][1] + 1:
                merged[-1][1] = max(merged[-1][1], high)
            else:
                merged.append([low, high])
        self.intervals[uuid] = merged


Gtids = MariaGtids | MySQLGtids
